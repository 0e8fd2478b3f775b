-- Move jobs, the soonest first, from a sorted set to another one, scores and all.
--
-- The target may be in another database of this server: a script alone moves between two of them in one step. What
-- is written first is the copy: should a write be refused, no job is missing.
--
-- KEYS[1]  source       ZSET of payloads
-- KEYS[2]  target       ZSET of payloads
-- ARGV[1]  count        the most to move
-- ARGV[2]  source db    number of the database of the source, empty if both are in the same
-- ARGV[3]  target db    number of the database of the target
-- returns  how many were moved

local source, target = KEYS[1], KEYS[2]
local count, source_db, target_db = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local found = redis.call("ZRANGE", source, 0, count - 1, "WITHSCORES")

if #found > 0 then
  local scored, members = {}, {}
  for at = 1, #found, 2 do
    scored[at], scored[at + 1] = found[at + 1], found[at]
    members[#members + 1] = found[at]
  end
  if source_db ~= "" then redis.call("SELECT", target_db) end
  redis.call("ZADD", target, unpack(scored))
  if source_db ~= "" then redis.call("SELECT", source_db) end
  redis.call("ZREM", source, unpack(members))
end
return #found / 2
