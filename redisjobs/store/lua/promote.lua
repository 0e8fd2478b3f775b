-- Move jobs from a sorted set to a queue. Who removes a job moves it: Ruby's pollers may work on the same set.
--
-- KEYS[1]  set      ZSET of payloads
-- KEYS[2]  queue    LIST of payloads, newest at the head
-- KEYS[3]  queues   SET of the names of queues
-- ARGV[1]  name     of the queue
-- ARGV[2+] pairs    payload as it stands in the set, payload as it goes to the queue
-- returns  how many were moved

local set, queue, queues, name = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local moved = 0

redis.call("LLEN", queue) -- raises if it is no list, before anything was taken
redis.call("SCARD", queues) -- likewise
for at = 2, #ARGV, 2 do
  if redis.call("ZREM", set, ARGV[at]) == 1 then
    redis.call("LPUSH", queue, ARGV[at + 1])
    moved = moved + 1
  end
end
if moved > 0 then redis.call("SADD", queues, name) end
return moved
