# frozen_string_literal: true

# The jobs of the benchmarks, for real Sidekiq of each generation; their Python twins are in benchmarks/apps.py.

require "json"
require "sidekiq"

Sidekiq.configure_server do |config|
  config.logger.level = Logger::WARN
  config[:skip_default_job_logging] = true if config.respond_to?(:[]=)
  poll_s = ENV["BENCH_POLL_S"]
  config[:average_scheduled_poll_interval] = Float(poll_s) if poll_s
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

# Waits without using the CPU.
class Nap
  include Sidekiq::Worker

  def perform(seconds)
    sleep(seconds)
  end
end

# Waits, and appends a line to a file: number, process, thread, start and end.
class Timed
  include Sidekiq::Worker

  def perform(index, seconds, path)
    began = Process.clock_gettime(Process::CLOCK_REALTIME)
    sleep(seconds)
    ended = Process.clock_gettime(Process::CLOCK_REALTIME)
    File.open(path, File::WRONLY | File::CREAT | File::APPEND) do |log|
      log.syswrite(format("%d %d %d %.6f %.6f\n", index, Process.pid, Thread.current.object_id, began, ended))
    end
  end
end
