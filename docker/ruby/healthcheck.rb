# frozen_string_literal: true

# Exit 0 if a Sidekiq process of this container is in the process registry with a fresh beat, else 1.
require "socket"
require "sidekiq/api"

FRESH_S = 30 # the registry itself forgets a silent process after 60 s

begin
  mine = Sidekiq::ProcessSet.new(false).select { |process| process["hostname"] == Socket.gethostname }
  ages = mine.map { |process| Time.now.to_f - process["beat"] }
rescue StandardError => e
  abort "Redis: #{e.message}"
end
abort "no Sidekiq process of #{Socket.gethostname} is registered" if ages.empty?
abort format("the last beat was %d s ago", ages.min) if ages.min > FRESH_S
