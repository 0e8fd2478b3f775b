local function trim_dead(dead, now, max_jobs, max_age)
  redis.call("ZREMRANGEBYSCORE", dead, "-inf", string.format("%.6f", now - max_age))
  redis.call("ZREMRANGEBYRANK", dead, 0, -max_jobs) -- keeps max_jobs - 1, as Ruby does
end
