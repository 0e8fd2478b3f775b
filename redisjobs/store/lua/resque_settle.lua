-- Take jobs off one process's lease lists and put each where its run ended; count the runs: see `settle.lua`.
--
-- The keys of a delayed job are made here: see `resque_schedule.lua`.
--
-- KEYS[1]     failed            LIST of failure records
-- KEYS[2]     schedule          ZSET of seconds
-- KEYS[3]     queues            SET of the names of queues
-- KEYS[4..5]  processed, failed INTEGERs, of all time
-- KEYS[6..7]  processed, failed INTEGERs, of this worker
-- KEYS[8+]    pairs             lease list (LIST), its queue (LIST)
-- ARGV[1]     prefix            of all keys
-- ARGV[2+]    fives: pair's number, queue's name, where to, how to count (0 no run, 1 processed, 2 failed too), raw,
--             then for "retry" and "schedule" the item and seconds from now, for "dead" the record
-- returns     the positions, from 1, of those that were not ours

local failed_list, schedule, queues = KEYS[1], KEYS[2], KEYS[3]
local all_processed, all_failed, own_processed, own_failed = KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local prefix = ARGV[1]
local width = { gone = 5, queue = 5, dead = 6, retry = 7, schedule = 7 }
local time = redis.call("TIME")
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local processed, failed, position, lost = 0, 0, 0, {}

-- include delay

redis.call("LLEN", failed_list) -- each raises if it is of another type, before anything was moved
redis.call("ZCARD", schedule)
redis.call("SCARD", queues)
for pair = 8, #KEYS do
  redis.call("LLEN", KEYS[pair])
end

local at = 2
while at <= #ARGV do
  local pair, name, where, counted, raw =
    tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3]), ARGV[at + 4]
  local lease, queue = KEYS[pair * 2 + 6], KEYS[pair * 2 + 7]
  position = position + 1
  if redis.call("LREM", lease, "-1", raw) == 1 then
    if where == "queue" then
      redis.call("LPUSH", queue, raw)
      redis.call("SADD", queues, name)
    elseif where == "dead" then
      redis.call("RPUSH", failed_list, ARGV[at + 5])
    elseif where ~= "gone" then
      delay(schedule, prefix, now + tonumber(ARGV[at + 6]), ARGV[at + 5])
    end
    if counted >= 1 then processed = processed + 1 end
    if counted == 2 then failed = failed + 1 end
  else
    lost[#lost + 1] = position
  end
  at = at + width[where]
end

local function add(total, own, count)
  if count == 0 then return end
  redis.pcall("INCRBY", total, count) -- pcall: a counter that somebody spoiled must not keep jobs from being settled
  redis.pcall("INCRBY", own, count)
end

add(all_processed, own_processed, processed)
add(all_failed, own_failed, failed)
return lost
