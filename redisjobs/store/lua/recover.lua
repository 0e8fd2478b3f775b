-- Give the jobs of a process that died back to their queue, to run next and in their old order.
--
-- A job that was running when its process died, too often within three days, is poison: it stays in the lease list
-- and is returned, for the caller to bury. Which ones were running is known by their place: a process starts its jobs
-- oldest first, so they are among its `concurrency` oldest.
--
-- KEYS[1]  lease list   LIST of payloads, newest at the head
-- KEYS[2]  queue        LIST of payloads
-- KEYS[3]  owners       HASH of identity to concurrency
-- KEYS[4]  queues       SET of the names of queues
-- KEYS[5+] taken        where there are equal jobs: HASH of digest to how many were given back, for that process to know
--                       if it lives after all and has others of the same bytes by then
-- ARGV[1]  identity     of the dead process
-- ARGV[2]  name         of the queue
-- ARGV[3]  max          recoveries after which a job is poison
-- ARGV[4]  ttl          seconds that a recovery is remembered
-- ARGV[5]  prefix       of the keys that count recoveries; made here, so they share the slot of the queue
-- ARGV[6]  push         RPUSH or LPUSH: to the end where the next job to run stands
-- returns  how many were given back, payloads that are poison

local lease, queue, owners, queues, taken = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local identity, name, max, ttl, prefix, push = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6]

redis.call("LLEN", queue) -- raises if it is no list, before anything was taken
redis.call("SCARD", queues) -- likewise
local held = redis.call("LRANGE", lease, 0, -1)
local concurrency = tonumber(redis.call("HGET", owners, identity) or "0")
local poison, given, known = {}, 0, {} -- known: equal jobs, as Resque has them, died once

redis.call("DEL", lease)
for at, payload in ipairs(held) do
  local recovered = 0
  if #held - at < concurrency then
    local counter = prefix .. redis.sha1hex(payload)
    if not known[counter] then
      local counted = redis.pcall("INCR", counter) -- pcall: the list is gone already, nothing may stop us now
      known[counter] = type(counted) == "number" and counted or 0
      redis.call("EXPIRE", counter, ttl)
    end
    recovered = known[counter]
  end
  if recovered >= max then
    poison[#poison + 1] = payload
    redis.call("RPUSH", lease, payload)
  else
    redis.call(push, queue, payload)
    given = given + 1
    if taken then redis.pcall("HINCRBY", taken, redis.sha1hex(payload), 1) end
  end
end
if given > 0 then redis.call("SADD", queues, name) end
if taken and given > 0 then redis.call("EXPIRE", taken, ttl) end
if #poison == 0 then redis.call("HDEL", owners, identity) end
return { given, poison }
