-- Have a job of Ruby's that iterates end at its next look, if there is the state of one.
--
-- KEYS[1]  state  HASH of the job: `c` its cursor, `cancelled` since when it is (Unix seconds)
-- returns  1, or 0 if there is no such state: Ruby fails over one that lacks a cursor

local state = KEYS[1]

if not redis.call("HGET", state, "c") then return 0 end
if not redis.call("HGET", state, "cancelled") then
  redis.call("HSET", state, "cancelled", redis.call("TIME")[1])
end
return 1
