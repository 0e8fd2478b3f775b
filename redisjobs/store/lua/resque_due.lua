-- Look at the jobs that resque-scheduler's lists have due, if no scheduler is at work on them.
--
-- KEYS[1]  schedule  ZSET of seconds
-- KEYS[2]  lock      STRING, the scheduler that moves what is due; missing: nobody does
-- ARGV[1]  prefix    of all keys
-- ARGV[2]  count     the most to look at
-- returns  now; the first second still to come, false if there is none or a scheduler is at work; pairs of second, item

local schedule, lock, prefix, count = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])
local time = redis.call("TIME")
local found = {}

if redis.call("EXISTS", lock) == 1 then return { time[1], false, found } end
for _, second in ipairs(redis.call("ZRANGEBYSCORE", schedule, "-inf", time[1], "LIMIT", 0, count)) do
  local items = redis.pcall("LRANGE", prefix .. "delayed:" .. second, 0, count - 1) -- pcall: no list has no jobs
  if #items == 0 then found[#found + 1] = { second, false } end
  for _, item in ipairs(items) do
    found[#found + 1] = { second, item }
    if #found >= count then return { time[1], time[1], found } end
  end
end
local coming = redis.call("ZRANGEBYSCORE", schedule, "(" .. time[1], "+inf", "LIMIT", 0, 1)
return { time[1], coming[1] or false, found }
