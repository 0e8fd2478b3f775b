# frozen_string_literal: true

# Jobs of Rails that cross over. What ran is told in Redis as in jobs.rb, with what ActiveJob knows of the job.

require_relative "jobs"
require "active_job"
require "active_support/all"
require "sidekiq/middleware/current_attributes"

GlobalID.app = "shop"
Time.zone_default = Time.find_zone!("UTC") # in every thread, as in a Rails application
ActiveJob::Base.queue_adapter = :sidekiq
ActiveJob::Base.logger = nil

module Interop
  # Found by its id alone.
  Person = Struct.new(:id) do
    include GlobalID::Identification

    def self.find(id)
      new(id)
    end
  end

  class Current < ActiveSupport::CurrentAttributes
    attribute :user_id, :tenant
  end

  # Enqueue as a Rails application does that persists its CurrentAttributes.
  def self.with_current(**attributes, &block)
    Sidekiq::CurrentAttributes.persist(Current)
    Current.set(**attributes, &block)
  ensure
    Sidekiq.configure_client { |config| config.client_middleware { |chain| chain.remove(Sidekiq::CurrentAttributes::Save) } }
  end

  module_function

  def newer_rails?
    ActiveJob.version >= Gem::Version.new("7.1")
  end

  # One of each kind of argument that this Rails has a form for.
  def values
    plain = [
      1, 2**70, 1.5, "text", "é", nil, true, [1, [:in, "array"]], :sym,
      {"s" => 1}, {y: {z: :deep}}, {y: 1, "s" => 2}, {}, {"i" => {n: 1}}.with_indifferent_access,
      Time.at(1_700_000_000, 123_456_789, :nsec).utc, Time.at(0, 1, :nsec).getlocal("+05:30"),
      Time.find_zone!("Europe/Berlin").local(2024, 10, 27, 12, 30, 1.25), Date.new(2024, 2, 29),
      DateTime.new(2024, 2, 29, 1, 2, Rational(7, 2), "-03:00"), 1.month, 90.minutes + 3.days, 1.5.hours,
      Person.new("7"), Person.new("a b/c?d"), Interop::Person, Interop
    ]
    return plain unless newer_rails?

    plain + [BigDecimal("1.50"), BigDecimal("-1e-30"), 1..3, 1...3, ("a".."c"), (1..), (..Date.new(2024, 1, 1))]
  end

  def keywords
    {since: Date.new(2024, 11, 1), nested: {"a" => :b}}
  end

  class Telling < ActiveJob::Base
    def tell(key, *args)
      told = {"jid" => provider_job_id, "class" => self.class.name, "args" => args, "job_id" => job_id,
              "executions" => executions, "exceptions" => exception_executions, "locale" => locale.to_s,
              "timezone" => timezone, "queue" => queue_name, "priority" => priority,
              "enqueued_at" => enqueued_at && enqueued_at.to_s, "cattr" => [Current.user_id, Current.tenant]}
      Interop.redis("RPUSH", "interop:#{key}", JSON.generate(told))
    end
  end

  # Enqueued by Ruby for Python to run.
  class Report < Telling
    queue_as :python
  end

  # Tells which of its arguments are not what Ruby itself would have got.
  class Compare < Telling
    def perform(*args, **keywords)
      found = [*args, keywords]
      wanted = ActiveJob::Arguments.deserialize(ActiveJob::Arguments.serialize([*Interop.values, Interop.keywords]))
      wrong = wanted.zip(found).reject { |want, got| want == got && want.class == got.class && want.inspect == got.inspect }
      tell("compared", found.size == wanted.size, wrong.map { |pair| pair.map(&:inspect) })
    end
  end

  class Plain < Telling
    def perform(*args)
      tell("ran", *args)
    end
  end

  class Flaky < Telling
    queue_as :python
    retry_on Boom, wait: 3600, attempts: 3

    def perform(*args)
      tell("failed", *args)
      raise Boom, "again"
    end
  end
end

Sidekiq::CurrentAttributes.persist(Interop::Current) if Sidekiq.server?
