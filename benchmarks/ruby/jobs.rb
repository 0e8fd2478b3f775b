# frozen_string_literal: true

# The jobs of the benchmarks, for real Sidekiq of each generation; their Python twins are in benchmarks/apps.py.

require "json"
require "sidekiq"

Sidekiq.configure_server do |config|
  config.logger.level = Logger::WARN
  config[:skip_default_job_logging] = true if config.respond_to?(:[]=)
end

class Noop
  include Sidekiq::Worker

  def perform(_index)
  end
end

# Remembers how long each job was on its way, in seconds.
class Latency
  include Sidekiq::Worker

  TAKEN = []

  def perform(index, sent_at)
    TAKEN << [index, Process.clock_gettime(Process::CLOCK_REALTIME) - sent_at]
  end
end

# Writes all that was remembered to a file: whole, or not at all.
class LatencyReport
  include Sidekiq::Worker

  def perform(path)
    File.write("#{path}.part", JSON.generate(Latency::TAKEN))
    File.rename("#{path}.part", path)
  end
end
