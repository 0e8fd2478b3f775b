-- Move jobs of one second to their queues, or to the failed list, if no scheduler is at work on them.
--
-- A scheduler of Ruby's pushes first and removes then, not in one step: it must be alone while it has the lock.
--
-- KEYS[1]  schedule  ZSET of seconds
-- KEYS[2]  lock      STRING, the scheduler that moves what is due; missing: nobody does
-- KEYS[3]  delayed   LIST of the jobs due in that second
-- KEYS[4]  queues    SET of the names of queues
-- KEYS[5]  failed    LIST of failure records
-- KEYS[6+] pairs     the job's `timestamps` (SET), its queue (LIST) or `failed` again
-- ARGV[1]  second    as it stands in the schedule
-- ARGV[2]  name      of that list, without its namespace
-- ARGV[3+] triples   job as it waits, as it goes on, name of its queue (empty: to the failed list)
-- returns  how many were moved

local schedule, lock, delayed, queues, failed = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local second, name = ARGV[1], ARGV[2]
local moved = 0

if redis.call("EXISTS", lock) == 1 then return 0 end
redis.call("SCARD", queues) -- each raises if it is of another type, before anything was moved
redis.call("LLEN", failed)
for at = 7, #KEYS, 2 do
  redis.call("LLEN", KEYS[at])
end
if redis.call("TYPE", delayed).ok ~= "string" then
  for at = 3, #ARGV, 3 do
    local timestamps, target = KEYS[at / 3 * 2 + 4], KEYS[at / 3 * 2 + 5]
    if redis.call("LREM", delayed, 1, ARGV[at]) == 1 then
      redis.call("RPUSH", target, ARGV[at + 1])
      if ARGV[at + 2] ~= "" then redis.call("SADD", queues, ARGV[at + 2]) end
      if not redis.call("LPOS", delayed, ARGV[at]) then redis.call("SREM", timestamps, name) end
      moved = moved + 1
    end
  end
end
if redis.call("EXISTS", delayed) == 0 then redis.call("ZREM", schedule, second) end
return moved
