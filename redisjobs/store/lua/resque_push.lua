-- Put jobs into a queue of Resque, at its tail, once: see `push.lua`.
--
-- KEYS[1]  queue       LIST of jobs, newest at the tail
-- KEYS[2]  guard       INTEGER, the last push of this producer that was stored
-- KEYS[3]  queues      SET of the names of queues
-- ARGV[1]  name        of the queue
-- ARGV[2]  number      of this push; a producer counts up
-- ARGV[3]  ttl         of the guard, in seconds
-- ARGV[4+] payloads    the first one is the first to run
-- returns  1 if stored now, 0 if it had been stored before

local queue, guard, queues = KEYS[1], KEYS[2], KEYS[3]
local name, number, ttl = ARGV[1], tonumber(ARGV[2]), ARGV[3]

local last = redis.call("GET", guard)
if last and tonumber(last) >= number then return 0 end

redis.call("SCARD", queues) -- raises if it is no set, before anything was stored
redis.call("RPUSH", queue, unpack(ARGV, 4))
redis.call("SADD", queues, name)
redis.call("SET", guard, number, "EX", ttl)
return 1
