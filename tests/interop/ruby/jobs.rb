# frozen_string_literal: true

# The Ruby half of the jobs that cross over. What ran is told in Redis, newest last:
#
#   interop:ran       LIST of {"jid", "class", "args"}: finished runs
#   interop:failed    LIST of the same: runs that raised
#   interop:holding   LIST of the same: runs of Hold that began

require_relative "connect"

module Interop
  class Boom < StandardError; end

  # Told through Redis as JSON, so that arguments can be compared exactly.
  module Tells
    def self.included(job)
      job.include(Sidekiq::Job)
    end

    def tell(key, args)
      Interop.redis("RPUSH", "interop:#{key}", JSON.generate("jid" => jid, "class" => self.class.name, "args" => args))
    end
  end

  class Record
    include Tells

    def perform(*args)
      tell("ran", args)
    end
  end

  # Fails each time, with a message that may be long.
  class Fail
    include Tells

    def perform(message = "boom", times = 1)
      tell("failed", [message, times])
      raise Boom, message * times
    end
  end

  # Fails at its first run, whoever runs it: the note of that is in Redis, by jid.
  class FailOnce
    include Tells

    def perform(*args)
      if Interop.redis("SET", "interop:tried:#{jid}", "1", "NX")
        tell("failed", args)
        raise Boom, "first time"
      end
      tell("ran", args)
    end
  end

  # Runs until somebody sets the key `interop:let-go`.
  class Hold
    include Tells

    AT_MOST_S = 60

    def perform(*args)
      tell("holding", args)
      deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + AT_MOST_S
      until Interop.redis("EXISTS", "interop:let-go") == 1
        raise Boom, "nobody let go" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline

        sleep 0.02
      end
      tell("ran", args)
    end
  end

  # Iterates for a minute; 6 has no such jobs.
  if defined?(Sidekiq::IterableJob)
    class Iterate
      include Sidekiq::IterableJob

      def build_enumerator(*, cursor:)
        array_enumerator((1..3_000).to_a, cursor: cursor)
      end

      def each_iteration(*)
        sleep 0.02
      end

      def on_complete
        Interop.redis("RPUSH", "interop:ran", JSON.generate("jid" => jid, "class" => self.class.name, "args" => []))
      end
    end
  end

  # All options that a class can declare, and one of its own.
  class Configured < Record
    sidekiq_options queue: "low", retry: 7, retry_queue: "lower", backtrace: 5, dead: false,
      tags: ["shop", "été"], log_level: "warn", tenant: {"id" => 42}
  end
end
