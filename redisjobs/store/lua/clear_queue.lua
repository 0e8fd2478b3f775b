-- Delete the jobs of a queue, and its name. What workers hold of it stays theirs.
--
-- KEYS[1]  queue    LIST of payloads, newest at the head
-- KEYS[2]  queues   SET of the names of queues
-- ARGV[1]  name     of the queue
-- returns  how many jobs were deleted

local queue, queues, name = KEYS[1], KEYS[2], ARGV[1]

local size = redis.call("LLEN", queue) -- raises if it is no list, so that nobody else's key is deleted
redis.call("SREM", queues, name)
redis.call("UNLINK", queue)
return size
