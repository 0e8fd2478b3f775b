-- Put jobs into the schedule set, once: a producer that asks again because the answer was lost adds nothing.
--
-- KEYS[1]  schedule    ZSET of payloads by the second they are due
-- KEYS[2]  guard       INTEGER, the last push of this producer that was stored
-- ARGV[1]  number      of this push; a producer counts up
-- ARGV[2]  ttl         of the guard, in seconds
-- ARGV[3]  before      how many of the same lot went in earlier requests
-- ARGV[4]  whole       1 if scores must be whole seconds
-- ARGV[5+] pairs       when (Unix seconds, or "+seconds" from now by this server's clock), payload
-- returns  1 if stored now, 0 if it had been stored before

local schedule, guard = KEYS[1], KEYS[2]
local number, ttl, before = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local whole = ARGV[4] == "1"
local step = whole and 0 or 1e-6

-- include score

local last = redis.call("GET", guard)
if last and tonumber(last) >= number then return 0 end

local time = redis.call("TIME")
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
for at = 5, #ARGV, 2 do
  local due = ARGV[at]
  if string.sub(due, 1, 1) == "+" then due = now + tonumber(due) else due = tonumber(due) end
  -- a microsecond apart: Ruby's pages find a member by its score, and may mix up two of the same
  redis.call("ZADD", schedule, score(due + (before + (at - 5) / 2) * step, whole), ARGV[at + 1])
end
redis.call("SET", guard, number, "EX", ttl)
return 1
