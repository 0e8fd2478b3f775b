-- Look at the jobs of a sorted set that are due by this server's clock; nothing is moved.
--
-- KEYS[1]  set      ZSET of payloads by the second they are due
-- ARGV[1]  offset   how many due ones to pass over
-- ARGV[2]  count    the most to return
-- returns  now, the score of the first that is not due yet (or false), payloads that are due

local set, offset, count = KEYS[1], ARGV[1], ARGV[2]
local time = redis.call("TIME")
local now = string.format("%d.%06d", tonumber(time[1]), tonumber(time[2]))

local due = redis.call("ZRANGEBYSCORE", set, "-inf", now, "LIMIT", offset, count)
local later = redis.call("ZRANGEBYSCORE", set, "(" .. now, "+inf", "WITHSCORES", "LIMIT", 0, 1)
return { now, later[2] or false, due }
