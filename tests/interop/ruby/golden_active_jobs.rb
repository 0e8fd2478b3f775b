# frozen_string_literal: true

# Jobs of ActiveJob that fail: one that Sidekiq is to retry, one that ActiveJob itself puts off.

require "active_job"

ActiveJob::Base.queue_adapter = :sidekiq
ActiveJob::Base.logger = nil

module Interop
  class BrokenReport < ActiveJob::Base
    class Boom < StandardError; end

    def perform(*)
      Interop.redis("RPUSH", "interop:failed", "{}")
      raise Boom, "boom ☃"
    end
  end

  class PutOffReport < BrokenReport
    retry_on Boom, wait: 3600, attempts: 5
  end
end
