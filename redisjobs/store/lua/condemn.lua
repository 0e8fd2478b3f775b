-- Move jobs from a queue to the dead set, and trim that. Who removes a job moves it.
--
-- KEYS[1]  queue    LIST of payloads, newest at the head
-- KEYS[2]  dead     ZSET of payloads by the second of their burial
-- ARGV[1]  mark     bytes that no payload has
-- ARGV[2]  start    how many jobs, counted from the tail, are before the place to look
-- ARGV[3]  span     how many jobs to look at there; 0: at all
-- ARGV[4]  max      jobs kept in the dead set
-- ARGV[5]  age      seconds after which a dead job is dropped
-- ARGV[6]  whole    1 if scores must be whole seconds
-- ARGV[7+] pairs    payload as it stands in the queue, payload as it goes to the dead set
-- returns  how many were moved

local queue, dead = KEYS[1], KEYS[2]
local mark, start, span = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local max_jobs, max_age, whole = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6] == "1"
local time = redis.call("TIME")
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local wanted, changed = {}, {}

-- include trim_dead
-- include score
-- include pluck

redis.call("ZCARD", dead) -- raises if it is no sorted set, before anything was taken
for at = 7, #ARGV, 2 do
  wanted[#wanted + 1] = ARGV[at]
  changed[ARGV[at]] = changed[ARGV[at]] or {}
  table.insert(changed[ARGV[at]], ARGV[at + 1]) -- of two that are equal each has an envelope of its own
end
local found = pluck(queue, mark, start, span, wanted)
for at, payload in ipairs(found) do
  redis.call("ZADD", dead, score(now + at * 1e-6, whole), table.remove(changed[payload]))
end
if #found > 0 then trim_dead(dead, now, max_jobs, max_age) end
return #found
