# frozen_string_literal: true

# Makes a real Sidekiq write each kind of payload that others must be able to read; scripts/record-golden keeps them.
#
# What stands in Redis is returned as [{"name", "key", "raw", "score"}]: the list or set, the member's exact text, and
# its score, null for a list. In lists the next to run comes first.

module Interop
  module Golden
    module_function

    HOUR_S = 3600

    # The payloads of a client, one case after the other on an empty database.
    def pushed
      cases.flat_map do |name, push|
        Interop.redis("FLUSHDB")
        push.call
        stored(Hash.new(name))
      end
    end

    # The payloads of ActiveJob, what this Rails cannot serialize left out.
    def pushed_by_active_job
      active_job_cases.flat_map do |name, push|
        Interop.redis("FLUSHDB")
        push.call
        stored(Hash.new(name))
      rescue ActiveJob::SerializationError
        []
      end
    end

    # Push a job of each kind into one database, for a server that takes none.
    def fill
      [*cases.values, *active_job_cases.values].each do |push|
        push.call
      rescue ActiveJob::SerializationError
        nil
      end
      Sidekiq::Deploy.mark!("v1, été") if Sidekiq::VERSION >= "7" && require("sidekiq/deploy").then { true }
    end

    # What Ruby's own data API tells of a database.
    def shown
      stats = Sidekiq::Stats.new
      {
        "stats" => {"processed" => stats.processed, "failed" => stats.failed, "enqueued" => stats.enqueued,
                    "scheduled" => stats.scheduled_size, "retries" => stats.retry_size, "dead" => stats.dead_size,
                    "processes" => stats.processes_size, "busy" => stats.workers_size, "queues" => stats.queues},
        "queues" => Sidekiq::Queue.all.to_h { |queue| [queue.name, queue.map { |job| job(job) }] },
        "sets" => {
          "schedule" => Sidekiq::ScheduledSet.new.map { |entry| entry_of_set(entry) },
          "retry" => Sidekiq::RetrySet.new.map { |entry| entry_of_set(entry) },
          "dead" => Sidekiq::DeadSet.new.map { |entry| entry_of_set(entry) },
        },
        "processes" => Sidekiq::ProcessSet.new(false).map { |process| process_of(process) },
        "running" => running
      }
    end

    def job(record)
      {"jid" => record.jid, "class" => record.klass, "display_class" => record.display_class, "queue" => record.queue,
       "args" => record.args, "display_args" => record.display_args, "tags" => record.tags,
       "created_at" => record.created_at.to_f, "enqueued_at" => record.enqueued_at.to_f}
    end

    def entry_of_set(entry)
      return {"score" => entry.score} unless entry.jid # what is no JSON

      job(entry).merge("score" => entry.score, "error_class" => entry["error_class"], "retry_count" => entry["retry_count"],
                       "error_message" => entry["error_message"], "error_backtrace" => entry.error_backtrace)
    end

    def process_of(process)
      {"identity" => process.identity, "hostname" => process["hostname"], "pid" => process["pid"], "tag" => process.tag,
       "queues" => process["queues"] || process.queues, "concurrency" => process["concurrency"], "busy" => process["busy"],
       "quiet" => process.stopping?, "started_at" => process["started_at"], "beat" => process["beat"],
       "rss" => process["rss"], "labels" => process.labels}
    end

    def running
      set = defined?(Sidekiq::WorkSet) ? Sidekiq::WorkSet : Sidekiq::Workers
      set.new.map do |process, thread, work|
        plain = work.is_a?(Hash)
        jid = plain ? work["payload"].then { |job| (job.is_a?(Hash) ? job : JSON.parse(job))["jid"] } : work.job.jid
        {"process" => process, "thread" => thread, "queue" => plain ? work["queue"] : work.queue,
         "run_at" => (plain ? work["run_at"] : work.run_at).to_f, "jid" => jid}
      end
    end

    # Push what a server is to fail; returns name by jid, the latter "" for what has none.
    def push_failing
      failing.to_h { |name, push| [push.call, name] }
    end

    # Push jobs of ActiveJob that a server is to fail: one ends in the retry set, one in the schedule.
    def push_failing_active_jobs
      require_relative "golden_active_jobs"
      [Interop::BrokenReport, Interop::PutOffReport].each { |job| job.perform_later(:é, since: Date.new(2024, 11, 1)) }.size
    end

    # Make the retries of these jids due, and push them as a poller does, so that they fail a second time.
    def make_due(jids)
      Sidekiq::RetrySet.new.each do |entry|
        Interop.redis("ZADD", "retry", Time.now.to_f.to_s, entry.value) if jids.include?(entry.jid)
      end
      Interop.promote
    end

    def kill_by_api(jids)
      jids.each { |jid| Sidekiq::RetrySet.new.find_job(jid).kill }
    end

    def stored(names)
      lists = Interop.redis("KEYS", "queue:*").sort.flat_map do |key|
        Interop.redis("LRANGE", key, 0, -1).reverse.map { |raw| entry(names, key, raw, nil) }
      end
      sets = %w[schedule retry dead].flat_map do |key|
        scored(key).map { |raw, score| entry(names, key, raw, score) }
      end
      lists + sets
    end

    # The registry of the one server that runs.
    def process
      identity = Interop.redis("SMEMBERS", "processes").first
      work_key = Interop.redis("KEYS", "#{identity}:work*").first
      {"key" => identity, "hash" => fields(identity), "work_key" => work_key, "work" => fields(work_key)}
    end

    def fields(key)
      reply = Interop.redis("HGETALL", key) # flat in RESP2
      reply.is_a?(Hash) ? reply : Hash[*reply]
    end

    def scored(key)
      # RESP2 answers flat and with text, RESP3 with pairs and floats.
      Interop.redis("ZRANGE", key, 0, -1, "WITHSCORES").flatten.each_slice(2).map { |raw, score| [raw, Float(score)] }
    end

    def entry(names, key, raw, score)
      jid = begin
        JSON.parse(raw)["jid"]
      rescue JSON::ParserError
        ""
      end
      {"name" => names[jid], "key" => key, "raw" => raw, "score" => score}
    end

    def set(options, *args)
      -> { Record.set(options).perform_async(*args) }
    end

    def cases
      {
        "perform_async" => -> { Record.perform_async(1, "bob") },
        "perform_async, no arguments" => -> { Record.perform_async },
        "perform_in" => -> { Record.perform_in(HOUR_S, 1) },
        "perform_in, zero" => -> { Record.perform_in(0, 1) },
        "perform_at" => -> { Record.perform_at(Time.now + HOUR_S, 1) },
        "perform_at, past" => -> { Record.perform_at(Time.now - HOUR_S, 1) },
        "perform_bulk" => -> { Record.perform_bulk([[1], [2], [3]]) },
        "push_bulk at" => -> { bulk_at(Time.now.to_f + HOUR_S) },
        "Client.push by name" => -> { push("class" => "Python::Only", "args" => [1], "queue" => "python") },
        "Client.push at, past" => -> { push("class" => Record, "args" => [1], "at" => Time.now.to_f - HOUR_S) },
        "Client.push with a jid" => -> { push("class" => Record, "args" => [], "jid" => "my-own-jid-1") },
        "options of the class" => -> { Configured.perform_async(1) },
        "options of the class, scheduled" => -> { Configured.perform_in(HOUR_S, 1) },
        **arguments.transform_values { |args| -> { Record.perform_async(*args) } },
        **options.transform_values { |given| set(given, 1) },
        "current attributes" => -> { current_attributes },
        "ActiveJob" => -> { active_job.perform_later(1, "é", since: Date.new(2024, 11, 1)) },
        "ActiveJob, scheduled" => -> { active_job.set(wait: HOUR_S).perform_later(1) },
      }
    end

    def arguments
      {
        "arguments: unicode" => ["héllo", "日本語", "🎉", "e\u0301", "\u2028", "<b>&amp;</b>"],
        "arguments: escapes" => ["a/b", "quote\"d", "back\\slash", "tab\tnewline\n", "\u0000\u001f\u007f"],
        "arguments: big integers" => [2**31, 2**53 + 1, 2**63, 2**64, 2**70, -(2**70)],
        "arguments: floats" => [1.5, 1.0, -0.0, 0.1, 1e20, 1e16, 1e15, 1e-7, 123_456_789.123_456_7, 5e-324, 1.7976931348623157e308],
        "arguments: nil and booleans" => [nil, true, false],
        "arguments: nested" => [{"a" => [1, {"b" => [nil, [], {}]}], "" => ""}, [[[]]]],
        "arguments: hash" => [{"id" => 7, "tags" => %w[x y]}],
      }
    end

    def options
      {
        "retry: true" => {"retry" => true},
        "retry: false" => {"retry" => false},
        "retry: 0" => {"retry" => 0},
        "retry: 5" => {"retry" => 5},
        "queue" => {"queue" => "mailers"},
        "queue with signs" => {"queue" => "eu-west.mail:1_a"},
        "retry_queue" => {"retry_queue" => "low"},
        "retry_for" => {"retry_for" => 7200},
        "dead: false" => {"dead" => false},
        "backtrace: true" => {"backtrace" => true},
        "backtrace: 3" => {"backtrace" => 3},
        "tags" => {"tags" => ["alpha", "β"]},
        "log_level" => {"log_level" => "debug"},
        "log_level, symbol" => {"log_level" => :warn},
        "custom field" => {"tenant" => {"id" => 42, "name" => "Zoë"}},
        "all together" => {"queue" => "low", "retry" => 5, "retry_queue" => "lower", "retry_for" => 7200, "dead" => false,
                           "backtrace" => 3, "tags" => ["a"], "log_level" => "info", "tenant" => 42},
      }
    end

    def failing
      fail_with = ->(given, *args) { -> { Fail.set(given).perform_async(*args) } }
      {
        "failed" => fail_with.call({}),
        "failed, backtrace: true" => fail_with.call({"backtrace" => true}),
        "failed, backtrace: 3" => fail_with.call({"backtrace" => 3}),
        "failed, retry_queue" => fail_with.call({"retry_queue" => "low"}),
        "failed, retry_for" => fail_with.call({"retry_for" => 7200}),
        "failed, tags and custom field" => fail_with.call({"tags" => ["a", "β"], "tenant" => {"id" => 42}}),
        "failed, unicode message" => fail_with.call({}, "naïve 日本 🎉 <b>"),
        "failed, long message" => fail_with.call({}, "é", 10_100),
        "failed, unknown class" => -> { push("class" => "Python::Only", "args" => [1], "retry" => true) },
        "failed twice" => fail_with.call({"backtrace" => 1}),
        "failed, killed by the API" => fail_with.call({}),
        "dead, retry: 0" => fail_with.call({"retry" => 0}),
        "dead, retry: 0, backtrace: 3" => fail_with.call({"retry" => 0, "backtrace" => 3}),
        "dead, retry: 1" => fail_with.call({"retry" => 1}),
        "nothing left, retry: false" => fail_with.call({"retry" => false}),
        "nothing left, dead: false" => fail_with.call({"retry" => 0, "dead" => false}),
        "dead, not JSON" => -> { Interop.redis("LPUSH", "queue:default", "{not JSON") && "" },
      }
    end

    def push(item)
      Sidekiq::Client.push(item)
    end

    def bulk_at(at)
      Sidekiq::Client.push_bulk("class" => Record, "args" => [[1], [2]], "at" => [at, at + 1])
    end

    def current_attributes
      require "active_job" # with the serialisers that 8 needs
      require "active_support/current_attributes"
      require "active_support/core_ext/string/inflections"
      require "sidekiq/middleware/current_attributes"
      current = Class.new(ActiveSupport::CurrentAttributes) { attribute :user_id, :tenant }
      Interop.const_set(:Current, current) unless Interop.const_defined?(:Current)
      Sidekiq::CurrentAttributes.persist(Interop::Current)
      Interop::Current.set(user_id: 7, tenant: "shop") { Record.perform_async(1) }
    ensure
      Sidekiq.configure_client { |config| config.client_middleware { |chain| chain.remove(Sidekiq::CurrentAttributes::Save) } }
    end

    # In the queue `rails`, each with a job_id and a time of its own.
    def active_job_cases
      active_job
      require "active_job"
      require "active_support/all"
      require "globalid"
      prepare_active_job
      set = ->(**options) { Interop::Report.set(queue: "rails", **options) }
      report = set.call
      arguments_of_active_job.transform_values { |args| -> { report.perform_later(*args) } }.merge(
        "ActiveJob: keywords" => -> { report.perform_later(1, since: Date.new(2024, 11, 1), "a" => 1) },
        "ActiveJob: keywords only" => -> { report.perform_later(since: :now) },
        "ActiveJob: priority" => -> { set.call(priority: 5).perform_later },
        "ActiveJob: wait" => -> { set.call(wait: HOUR_S).perform_later(1) },
        "ActiveJob: wait_until, past" => -> { set.call(wait_until: Time.now - HOUR_S).perform_later(1) },
        "ActiveJob: locale and timezone" => -> { with_locale { report.perform_later("Grüße") } },
        "ActiveJob: options of Sidekiq" => -> { Interop::Tagged.perform_later(1) },
        "ActiveJob: retried" => -> { retried.enqueue(wait: HOUR_S) }
      )
    end

    def arguments_of_active_job
      zone = ActiveSupport::TimeZone["Europe/Berlin"]
      {
        "symbol" => [:sym, :"with space"],
        "hash" => [{"a" => 1, :b => {"c" => [nil, :d]}}, {x: 1}, {}],
        "indifferent hash" => [{"a" => {"b" => 1}}.with_indifferent_access],
        "date and times" => [Date.new(2024, 2, 29), DateTime.new(2024, 2, 29, 12, 30, 15.25r, "+02:00"),
                             Time.at(0, 123_456_789, :nsec).utc, Time.new(2024, 7, 1, 12, 0, 0, "+05:30")],
        "time with zone" => [zone.local(2024, 7, 1, 12, 0, 0.5r)],
        "duration" => [3.days, 1.month + 2.hours, 90.seconds],
        "module" => [Interop::Report, Comparable],
        "big decimal" => [BigDecimal("12345678901234567890.123456789"), BigDecimal("-0.1")],
        "range" => [1..3, 1...3, "a".."f", Date.new(2024, 1, 1)..Date.new(2024, 12, 31)],
        "endless range" => [(1..), (..3)],
        "GlobalID" => [Interop::Model.new("42"), [Interop::Model.new("a/b c")]],
        "plain" => [nil, true, 1.5, 2**70, -(2**53) - 1, "日本 🎉", ["a", [["b"]]]],
      }.transform_keys { |name| "ActiveJob: #{name}" }
    end

    def prepare_active_job
      return if Interop.const_defined?(:Model)

      GlobalID.app = "shop"
      model = Struct.new(:id) { include GlobalID::Identification }
      Interop.const_set(:Model, model)
      tagged = Class.new(ActiveJob::Base) do
        queue_as :rails
        include Sidekiq::Worker::Options if defined?(Sidekiq::Worker::Options)
        sidekiq_options retry: 3, backtrace: 2, tags: ["rails", "β"] if respond_to?(:sidekiq_options)
      end
      Interop.const_set(:Tagged, tagged)
    end

    def with_locale(&block)
      I18n.available_locales |= [:de]
      I18n.with_locale(:de) { Time.use_zone("Europe/Berlin", &block) }
    end

    # As a job looks that has failed twice under retry_on and waits for its third run.
    def retried
      Interop::Report.new(1).tap do |job|
        job.queue_name = "rails"
        job.executions = 2
        job.exception_executions = {"[StandardError]" => 2}
      end
    end

    def active_job
      require "active_job"
      ActiveJob::Base.queue_adapter = :sidekiq
      ActiveJob::Base.logger = nil
      Interop.const_set(:Report, Class.new(ActiveJob::Base) { queue_as :mailers }) unless Interop.const_defined?(:Report)
      Interop::Report
    end
  end
end
