# frozen_string_literal: true

# The job of the chaos program for real Sidekiq; its Python twin is in chaos/jobs.py.

require "sidekiq"

RUNS = File.open(ENV.fetch("CHAOS_RUN_LOG"), File::WRONLY | File::APPEND | File::CREAT)

def tell(what, number)
  at = Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
  RUNS.syswrite("#{what} #{number} #{Process.pid} #{at}\n")
end

Sidekiq.configure_server do |config|
  config.logger.level = Logger::WARN
  config.on(:startup) { $stderr.puts "chaos: ready" }
end

class ChaosWork
  include Sidekiq::Worker

  def perform(number, seconds)
    tell("start", number)
    sleep(seconds)
    tell("end", number)
  end
end
