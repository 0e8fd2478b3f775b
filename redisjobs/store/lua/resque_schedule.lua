-- Put jobs into resque-scheduler's lists of the seconds they are due, once: see `schedule.lua` and `push.lua`.
--
-- A second is known only here, by this server's clock, and the two keys that each job goes to are named by it and by
-- the job's bytes: so they are made here, from what stands before every key.
--
-- KEYS[1]  schedule    ZSET of seconds, each its own score
-- KEYS[2]  guard       INTEGER, the last push of this producer that was stored
-- ARGV[1]  number      of this push; a producer counts up
-- ARGV[2]  ttl         of the guard, in seconds
-- ARGV[3]  prefix      of all keys
-- ARGV[4+] pairs       when (Unix seconds, or "+seconds" from now by this server's clock), item with its queue
-- returns  1 if stored now, 0 if it had been stored before

local schedule, guard = KEYS[1], KEYS[2]
local number, ttl, prefix = tonumber(ARGV[1]), ARGV[2], ARGV[3]

-- include delay

local last = redis.call("GET", guard)
if last and tonumber(last) >= number then return 0 end

local time = redis.call("TIME")
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
redis.call("ZCARD", schedule) -- raises if it is no sorted set, before anything was stored
for at = 4, #ARGV, 2 do
  local due = ARGV[at]
  if string.sub(due, 1, 1) == "+" then due = now + tonumber(due) else due = tonumber(due) end
  delay(schedule, prefix, due, ARGV[at + 1])
end
redis.call("SET", guard, number, "EX", ttl)
return 1
