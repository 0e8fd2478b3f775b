-- Take jobs off one process's lease lists and put each where its run ended; count the runs.
--
-- What is not in the lease list is not ours any more (another process recovered it): it is left alone and not counted.
--
-- KEYS[1..3]  retry, schedule, dead          ZSETs of payloads
-- KEYS[4..5]  processed, failed              INTEGERs, of all time
-- KEYS[6..7]  processed, failed              INTEGERs, of today
-- KEYS[8]     queues                         SET of the names of queues
-- KEYS[9+]    pairs                          lease list (LIST), its queue (LIST)
-- ARGV[1..3]  most jobs and age in seconds of the dead set; TTL in seconds of a day's counters
-- ARGV[4]     whole                           1 if scores must be whole seconds
-- ARGV[5+]    groups: pair's number, queue's name, where to, how to count, how many, then for each job
--               "gone"   raw                        the run is over
--               "queue"  raw                        given back, to run next; the newest first
--               "retry" | "schedule"  raw, payload, seconds from now
--               "dead"   raw, payload
--             count: 0 no run, 1 processed, 2 processed and failed, 3 failed
-- returns     the positions, from 1 over all groups, of those that were not ours

local sets = { retry = KEYS[1], schedule = KEYS[2], dead = KEYS[3] }
local all_processed, all_failed, day_processed, day_failed, queues = KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local max_dead, max_age, day_ttl = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local whole = ARGV[4] == "1"
local time = redis.call("TIME")
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local processed, failed, position, buried = 0, 0, 0, false
local lost = {}

-- include trim_dead
-- include score

local function check_types() -- raises before anything was moved
  local at = 5
  while at <= #ARGV do
    local pair, where, count = tonumber(ARGV[at]), ARGV[at + 2], tonumber(ARGV[at + 4])
    local width = 1
    redis.call("LLEN", KEYS[pair * 2 + 7])
    if where == "queue" then
      redis.call("LLEN", KEYS[pair * 2 + 8])
      redis.call("SCARD", queues)
    elseif where ~= "gone" then
      redis.call("ZCARD", sets[where])
      width = where == "dead" and 2 or 3
    end
    at = at + 5 + count * width
  end
end

check_types()

local at = 5
while at <= #ARGV do
  local pair, name, where, counted, count =
    tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local lease, queue = KEYS[pair * 2 + 7], KEYS[pair * 2 + 8]
  local ours = 0
  at = at + 5
  for _ = 1, count do
    local raw = ARGV[at]
    position = position + 1
    -- from the tail: the oldest is mostly the first to end; "-1" is text, since a number costs Redis a printf
    local held = redis.call("LREM", lease, "-1", raw) == 1
    if held then ours = ours + 1 else lost[#lost + 1] = position end
    if where == "gone" then
      at = at + 1
    elseif where == "queue" then
      if held then redis.call("RPUSH", queue, raw) end
      at = at + 1
    elseif where == "dead" then
      if held then
        redis.call("ZADD", sets.dead, score(now + position * 1e-6, whole), ARGV[at + 1])
        buried = true
      end
      at = at + 2
    else
      if held then
        local due = now + tonumber(ARGV[at + 2]) + position * 1e-6 -- each its own score, for Ruby's pages
        redis.call("ZADD", sets[where], score(due, whole), ARGV[at + 1])
      end
      at = at + 3
    end
  end
  if where == "queue" and ours > 0 then redis.call("SADD", queues, name) end
  if counted == 1 or counted == 2 then processed = processed + ours end
  if counted >= 2 then failed = failed + ours end
end

if buried then trim_dead(sets.dead, now, max_dead, max_age) end

local function add(total, day, count)
  if count == 0 then return end
  -- pcall: a counter that somebody spoiled must not keep jobs from being settled
  redis.pcall("INCRBY", total, count)
  if redis.pcall("INCRBY", day, count) == count then redis.call("EXPIRE", day, day_ttl) end
end

add(all_processed, day_processed, processed)
add(all_failed, day_failed, failed)
return lost
