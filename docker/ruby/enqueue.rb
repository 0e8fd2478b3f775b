# frozen_string_literal: true

# Enqueue a job that runs in Python. Ruby needs no class for it, and no gem but Sidekiq: the name is enough.
#
#   ruby enqueue.rb NAME QUEUE [JSON-ARGS]
require "json"
require "sidekiq"

name, queue, args = ARGV
abort "usage: ruby enqueue.rb NAME QUEUE [JSON-ARGS]" unless name && queue

puts Sidekiq::Client.push("class" => name, "queue" => queue, "args" => JSON.parse(args || "[]"))
