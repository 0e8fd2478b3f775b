# frozen_string_literal: true

# One process that enqueues no-ops with real Sidekiq; its Python twin is benchmarks/producer.py, which says how it talks.

require "sidekiq"

Sidekiq.configure_client { |config| config.logger.level = Logger::WARN }

class Noop
  include Sidekiq::Worker
  sidekiq_options queue: "bench"
end

WARM_UP = 1_000

def one(jobs)
  jobs.times { |index| Noop.perform_async(index) }
end

def enqueue(way, jobs, threads)
  case way
  when "many" then Noop.perform_bulk((0...jobs).map { |index| [index] })
  when "one" then one(jobs)
  when "threads" then Array.new(threads) { Thread.new { one(jobs / threads) } }.each(&:join)
  else abort("no such way: #{way}")
  end
end

def now(clock)
  Process.clock_gettime(clock)
end

way, jobs, threads = ARGV[0], ARGV[1].to_i, ARGV[2].to_i
enqueue(way, WARM_UP, threads)
$stdout.puts("ready")
$stdout.flush
$stdin.gets
began, cpu = now(Process::CLOCK_MONOTONIC), now(Process::CLOCK_PROCESS_CPUTIME_ID)
enqueue(way, jobs, threads)
puts("#{now(Process::CLOCK_MONOTONIC) - began} #{now(Process::CLOCK_PROCESS_CPUTIME_ID) - cpu}")
