# frozen_string_literal: true

# jobs.rb under a path of no machine, since backtraces that are recorded carry it.

require_relative "connect"
require_relative "golden_active_jobs"

source = File.join(__dir__, "jobs.rb")
eval(File.read(source).sub('require_relative "connect"', ""), TOPLEVEL_BINDING, "/app/jobs.rb", 1) # rubocop:disable Security/Eval
