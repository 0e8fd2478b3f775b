-- Add up what the runs of a process were, once: sent again after a lost answer it adds nothing.
--
-- KEYS[1]   guard       INTEGER, the last number of this process that was added
-- KEYS[2+]  counters    HASH of integers, or STRING of unsigned 16-bit counters
-- ARGV[1]   number      of this addition; a process counts up
-- ARGV[2]   ttl         of the guard, in seconds
-- then for each of the counters: its kind (hash or bits), its TTL in seconds, how many pairs follow, and pairs of a
-- field or the place of a counter, and what to add
-- returns   1 if added now, 0 if it had been before

local guard, number, ttl = KEYS[1], tonumber(ARGV[1]), ARGV[2]

local last = redis.call("GET", guard)
if last and tonumber(last) >= number then return 0 end
redis.call("SET", guard, number, "EX", ttl)

local at = 3
for key = 2, #KEYS do
  local counter, kind, lifetime, pairs_end = KEYS[key], ARGV[at], ARGV[at + 1], at + 2 + 2 * ARGV[at + 2]
  for pair = at + 3, pairs_end, 2 do
    local name, more = ARGV[pair], ARGV[pair + 1]
    if kind == "hash" then -- a key of another type must not keep the rest from being counted
      redis.pcall("HINCRBY", counter, name, more)
    else
      redis.pcall("BITFIELD", counter, "OVERFLOW", "SAT", "INCRBY", "u16", "#" .. name, more)
    end
  end
  redis.call("EXPIRE", counter, lifetime)
  at = pairs_end + 1
end
return 1
