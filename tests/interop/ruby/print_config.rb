# frozen_string_literal: true

# What a real `sidekiq` makes of its command line, as JSON, without starting. Arguments: as behind `sidekiq`.

require "sidekiq"
require "sidekiq/cli"
require "json"

cli = Sidekiq::CLI.instance
cli.parse(ARGV)
config = cli.respond_to?(:config) ? cli.config : Sidekiq.options

capsules =
  if config.respond_to?(:capsules)
    config.capsules.map { |name, one| [name, {"tickets" => one.queues, "mode" => one.mode, "concurrency" => one.concurrency}] }
  else
    [["default", {"tickets" => config[:queues], "strict" => config[:strict], "concurrency" => config[:concurrency]}]]
  end

puts JSON.generate(
  "capsules" => capsules.to_h, "timeout" => config[:timeout], "tag" => config[:tag], "labels" => config[:labels].to_a,
  "verbose" => config[:verbose]
)
