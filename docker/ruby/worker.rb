# frozen_string_literal: true

# A job that runs in Ruby. Its queue is Ruby's alone: a queue is shared by all processes that listen to it, and a
# process that takes a job of the other language can only fail it. So: one queue per language, one Redis for both.
require "sidekiq"

class RubyGreeter
  include Sidekiq::Job
  sidekiq_options queue: "ruby", retry: 5

  def perform(name)
    logger.info("hello #{name}, this is Ruby #{RUBY_VERSION}, Sidekiq #{Sidekiq::VERSION}")
  end
end
