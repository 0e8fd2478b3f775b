# frozen_string_literal: true

# One set-up for clients and servers of Sidekiq 6, 7 and 8. Reads from the environment:
#
#   REDIS_URL        redis://... or unix:///path/to.sock, both with an optional ?db=N
#   INTEROP_NAMESPACE  that of all keys, by redis-namespace; generation 6 only
#   INTEROP_POLL_S   a server's average seconds between two looks at the schedule and retry sets
#   INTEROP_LEASH    set: a server stops when its standard input ends, so it never outlives the test that started it

require "sidekiq"
require "json"
require "uri"

$stdout.sync = true

module Interop
  # Redis clients of generation 6 know no ?db= in the URL of a socket, so it is always given apart.
  def self.redis_options(url)
    uri = URI(url)
    db = URI.decode_www_form(uri.query.to_s).to_h["db"]
    uri.query = nil
    options = {url: uri.to_s}
    options[:db] = Integer(db) if db
    options
  end

  # A command in the one form that the Redis clients of all generations share; redis-namespace lets it pass as it is.
  def self.redis(*command)
    command[1] = "#{ENV["INTEROP_NAMESPACE"]}:#{command[1]}" if ENV["INTEROP_NAMESPACE"]
    Sidekiq.redis { |connection| connection.call(*command) }
  end

  def self.set_option(config, name, value)
    config.respond_to?(:[]=) ? config[name] = value : config.options[name] = value
  end
end

redis_options = Interop.redis_options(ENV.fetch("REDIS_URL"))
redis_options[:namespace] = ENV["INTEROP_NAMESPACE"] if ENV["INTEROP_NAMESPACE"]

Sidekiq.configure_client { |config| config.redis = redis_options }

Sidekiq.configure_server do |config|
  config.redis = redis_options
  Interop.set_option(config, :poll_interval_average, Float(ENV["INTEROP_POLL_S"])) if ENV["INTEROP_POLL_S"]

  # The first beat is in Redis by now, so the process is listed and its threads fetch.
  config.on(:heartbeat) { puts "interop: ready #{Sidekiq::CLI.instance.launcher.identity}" }

  if ENV["INTEROP_LEASH"]
    Thread.new do
      $stdin.read
      Process.kill("TERM", Process.pid)
    end
  end
end
