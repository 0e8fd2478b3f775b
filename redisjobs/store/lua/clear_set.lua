-- Delete all jobs of a sorted set.
--
-- KEYS[1]  set   ZSET of payloads
-- returns  how many were deleted

local set = KEYS[1]

local size = redis.call("ZCARD", set) -- raises if it is no sorted set, so that nobody else's key is deleted
redis.call("UNLINK", set)
return size
