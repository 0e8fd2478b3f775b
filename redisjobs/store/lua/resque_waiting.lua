-- Count the jobs that wait in the lists of resque-scheduler.
--
-- KEYS[1]  schedule  ZSET of seconds
-- ARGV[1]  prefix    of all keys
-- returns  how many

local schedule, prefix = KEYS[1], ARGV[1]
local count = 0

for _, second in ipairs(redis.call("ZRANGE", schedule, 0, -1)) do
  local length = redis.pcall("LLEN", prefix .. "delayed:" .. second) -- pcall: what is no list has no jobs
  if type(length) == "number" then count = count + length end
end
return count
