local function delay(schedule, prefix, due, item)
  local second = string.format("%d", math.ceil(due)) -- never too early; Resque's seconds are whole ones
  redis.call("RPUSH", prefix .. "delayed:" .. second, item)
  redis.call("SADD", prefix .. "timestamps:" .. item, "delayed:" .. second)
  redis.call("ZADD", schedule, second, second)
end
