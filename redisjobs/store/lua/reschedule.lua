-- Give members of a sorted set other scores, each if it still has the one that was seen.
--
-- KEYS[1]  set      ZSET of payloads by the second they are due
-- ARGV[1+] triples  payload, the score it was seen with, its new score
-- returns  how many have their new score

local set, triples = KEYS[1], ARGV
local moved = 0

for at = 1, #triples, 3 do
  local found = redis.call("ZSCORE", set, triples[at])
  if found and tonumber(found) == tonumber(triples[at + 1]) then
    redis.call("ZADD", set, "XX", triples[at + 2], triples[at])
    moved = moved + 1
  end
end
return moved
