-- Take jobs off one process's lease lists and put each where its run ended; count the runs: see `settle.lua`.
--
-- Jobs are not told apart by their bytes. So a lot that is sent again, since its answer was lost, must not take the
-- leases of equal jobs: lots have numbers, those that were done are kept, and a job tells in which lots it went before.
-- A lot that comes after all, when its jobs went in a later one, does nothing. And of equal jobs, so many are not ours
-- any more as others gave back.
--
-- The keys of a delayed job are made here: see `resque_schedule.lua`.
--
-- KEYS[1]     failed            LIST of failure records
-- KEYS[2]     schedule          ZSET of seconds
-- KEYS[3]     queues            SET of the names of queues
-- KEYS[4..5]  processed, failed INTEGERs, of all time
-- KEYS[6..7]  processed, failed INTEGERs, of this worker
-- KEYS[8]     lots              ZSET of the numbers of lots that are over, each its own score
-- KEYS[9+]    triples           lease list (LIST), its queue (LIST), what others took from it (HASH, see `recover.lua`)
-- ARGV[1]     prefix            of all keys
-- ARGV[2]     lot               its number; 0: it is not sent again
-- ARGV[3..4]  kept, ttl         how many numbers of lots to keep, and for how many seconds
-- ARGV[5+]    sixes: pair's number, queue's name, where to, how to count (0 no run, 1 processed, 2 failed too), raw,
--             numbers of the lots that it went in before, parted by spaces;
--             then for "retry" and "schedule" the item and seconds from now, for "dead" the record
-- returns     the positions, from 1, of those that were not ours

local failed_list, schedule, queues = KEYS[1], KEYS[2], KEYS[3]
local all_processed, all_failed, own_processed, own_failed = KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local lots = KEYS[8]
local prefix, lot, kept, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local width = { gone = 6, queue = 6, dead = 7, retry = 8, schedule = 8 }
local time = redis.call("TIME")
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local processed, failed, position, lost = 0, 0, 0, {}

-- include delay

redis.call("LLEN", failed_list) -- each raises if it is of another type, before anything was moved
redis.call("ZCARD", schedule)
redis.call("SCARD", queues)
if lot ~= "0" and redis.call("ZSCORE", lots, lot) then return lost end
for at = 9, #KEYS, 3 do
  redis.call("LLEN", KEYS[at])
  redis.call("LLEN", KEYS[at + 1])
end

local over = {}
local function went_before(numbers) -- and have those lots do nothing from now on
  local went = false
  for number in string.gmatch(numbers, "%d+") do
    if over[number] == nil then over[number] = redis.call("ZADD", lots, "NX", number, number) == 0 end
    went = went or over[number]
  end
  return went
end

local function were_taken(taken, raw)
  if redis.call("EXISTS", taken) == 0 then return false end
  local digest = redis.sha1hex(raw)
  local count = tonumber(redis.call("HGET", taken, digest) or "0")
  if count <= 0 then return false end
  redis.call("HINCRBY", taken, digest, -1)
  return true
end

local at = 5
while at <= #ARGV do
  local pair, name, where, counted, raw =
    tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3]), ARGV[at + 4]
  local lease, queue, before = KEYS[pair * 3 + 6], KEYS[pair * 3 + 7], ARGV[at + 5]
  position = position + 1
  local went = went_before(before)
  local ours = not went and not (lot ~= "0" and were_taken(KEYS[pair * 3 + 8], raw))
  if ours and redis.call("LREM", lease, "-1", raw) == 1 then
    if where == "queue" then
      redis.call("LPUSH", queue, raw)
      redis.call("SADD", queues, name)
    elseif where == "dead" then
      redis.call("RPUSH", failed_list, ARGV[at + 6])
    elseif where ~= "gone" then
      delay(schedule, prefix, now + tonumber(ARGV[at + 7]), ARGV[at + 6])
    end
    if counted >= 1 then processed = processed + 1 end
    if counted == 2 then failed = failed + 1 end
  elseif not went then
    lost[#lost + 1] = position
  end
  at = at + width[where]
end

local function add(total, own, count)
  if count == 0 then return end
  redis.pcall("INCRBY", total, count) -- pcall: a counter that somebody spoiled must not keep jobs from being settled
  redis.pcall("INCRBY", own, count)
end

if lot ~= "0" then
  redis.call("ZADD", lots, lot, lot)
  redis.call("ZREMRANGEBYRANK", lots, 0, -kept - 1)
  redis.call("EXPIRE", lots, ttl)
end
add(all_processed, own_processed, processed)
add(all_failed, own_failed, failed)
return lost
