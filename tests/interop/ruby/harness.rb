# frozen_string_literal: true

# A Ruby with Sidekiq that evaluates what it is sent, so that a test need not start one of its own.
#
# Standard input: one JSON object a line, {"code", "file", "input"}. `code` sees `input` and, at the top level, Sidekiq
# with its API, the jobs of jobs.rb and the module Interop. Standard output: {"value"} or {"error"} a line; what the
# code prints goes to standard error. The first line, unasked, tells the versions. Ends with its input.

replies = $stdout.dup
replies.sync = true
$stdout.reopen($stderr)

require_relative "jobs"
require "sidekiq/api"
require "sidekiq/scheduled"
require "base64"

module Interop
  # What JSON can carry, exactly: bytes that are no UTF-8 become {"$bytes": base64}; an object is an error.
  def self.plain(value)
    case value
    when nil, true, false, Integer then value
    when Float then value.finite? ? value : raise(TypeError, "#{value} is not JSON")
    when Symbol then value.to_s
    when String
      text = value.dup.force_encoding(Encoding::UTF_8)
      text.valid_encoding? ? text : {"$bytes" => Base64.strict_encode64(value)}
    when Array then value.map { |each| plain(each) }
    when Hash then value.to_h { |key, each| [key.to_s, plain(each)] }
    else raise TypeError, "#{value.class} is not JSON: make it a hash, an array or a string"
    end
  end

  # Push what is due, once, as a server's poller does.
  def self.promote
    enqueuer = Sidekiq::Scheduled::Enq
    takes_config = enqueuer.instance_method(:initialize).arity != 0
    (takes_config ? enqueuer.new(Sidekiq.default_configuration) : enqueuer.new).enqueue_jobs
    nil
  end

  def self.web
    require_relative "web_ui"
    @web ||= WebUi.new
  end

  # A binding at the top level, so that `class X` in evaluated code is ::X.
  def self.evaluate(code, file, input)
    scope = TOPLEVEL_BINDING.dup
    scope.local_variable_set(:input, input)
    scope.eval(code, file, 1)
  end

  def self.reply_to(line)
    request = JSON.parse(line)
    {"value" => plain(evaluate(request.fetch("code"), request.fetch("file"), request.fetch("input")))}
  rescue StandardError, ScriptError, SystemStackError => error
    message = error.message.dup.force_encoding(Encoding::UTF_8).scrub
    {"error" => {"class" => error.class.name, "message" => message, "backtrace" => (error.backtrace || []).first(20)}}
  end
end

replies.puts JSON.generate("sidekiq" => Sidekiq::VERSION, "ruby" => RUBY_VERSION)
while (line = $stdin.gets)
  replies.puts JSON.generate(Interop.reply_to(line))
end
