-- Move jobs from a sorted set to the dead set, and trim that.
--
-- KEYS[1]  set      ZSET of payloads
-- KEYS[2]  dead     ZSET of payloads by the second of their burial
-- ARGV[1]  max      jobs kept in the dead set
-- ARGV[2]  age      seconds after which a dead job is dropped
-- ARGV[3]  whole    1 if scores must be whole seconds
-- ARGV[4+] pairs    payload as it stands in the set, payload as it goes to the dead set
-- returns  how many were moved

local set, dead, max_jobs, max_age = KEYS[1], KEYS[2], tonumber(ARGV[1]), tonumber(ARGV[2])
local whole = ARGV[3] == "1"
local time = redis.call("TIME")
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local moved = 0

-- include trim_dead
-- include score

redis.call("ZCARD", dead) -- raises if it is no sorted set, before anything was taken
for at = 4, #ARGV, 2 do
  if redis.call("ZREM", set, ARGV[at]) == 1 then
    moved = moved + 1
    redis.call("ZADD", dead, score(now + moved * 1e-6, whole), ARGV[at + 1])
  end
end
if moved > 0 then trim_dead(dead, now, max_jobs, max_age) end
return moved
