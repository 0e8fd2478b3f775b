-- Move jobs from the list of a node of Exq's or Verk's to their queue, to run next and in their old order.
--
-- Who removes a job moves it: the node may come back and take the same ones.
--
-- KEYS[1]  held     LIST of payloads that the node holds, newest at the head
-- KEYS[2]  queue    LIST of payloads, newest at the head
-- KEYS[3]  queues   SET of the names of queues
-- KEYS[4]  dead     ZSET of payloads by the second of their burial
-- KEYS[5]  sign     a key that is there while the node lives
-- ARGV[1]  name     of the queue
-- ARGV[2]  max      jobs kept in the dead set
-- ARGV[3]  age      seconds after which a dead job is dropped
-- ARGV[4]  whole    1 if scores must be whole seconds
-- ARGV[5]  forced   1 to move them though the node lives
-- ARGV[6+] pairs    payload as the node holds it, payload for the dead set; that is empty if it goes to the queue
-- returns  how many were moved; -1 if the node lives

local held, queue, queues, dead, sign = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local name, max_jobs, max_age = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local whole, forced = ARGV[4] == "1", ARGV[5] == "1"
local time = redis.call("TIME")
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local given, buried = 0, 0

-- include trim_dead
-- include score

if not forced and redis.call("EXISTS", sign) == 1 then return -1 end
redis.call("LLEN", queue) -- raises if it is no list, before anything was taken
redis.call("SCARD", queues) -- likewise
redis.call("ZCARD", dead) -- likewise
for at = 6, #ARGV, 2 do
  if redis.call("LREM", held, 1, ARGV[at]) == 1 then
    if ARGV[at + 1] == "" then
      given = given + 1
      redis.call("RPUSH", queue, ARGV[at])
    else
      buried = buried + 1
      redis.call("ZADD", dead, score(now + buried * 1e-6, whole), ARGV[at + 1])
    end
  end
end
if given > 0 then redis.call("SADD", queues, name) end
if buried > 0 then trim_dead(dead, now, max_jobs, max_age) end
return given + buried
