-- Move up to `count` jobs, oldest first, from some queues to one process's lease lists.
--
-- KEYS[1]    paused       SET of the names of queues that nobody may take from
-- KEYS[2+]   triples      queue (LIST, newest at the head), lease list (LIST, same order), owners (HASH)
-- ARGV[1]    identity     of the process
-- ARGV[2]    concurrency  of the process; the reaper reads it to tell started jobs from waiting ones
-- ARGV[3]    count        the most to take; 5,000 are taken at most
-- ARGV[4+]   names        of the queues, in the order to take from them
-- returns    per queue looked at: the payloads taken, oldest first; false if it is paused

local paused, identity, concurrency = KEYS[1], ARGV[1], ARGV[2]
local wanted = math.min(tonumber(ARGV[3]), 5000) -- Lua hands less than 8,000 values on; more would be lost
local found = {}

for at = 1, #ARGV - 3 do -- each raises if it is no list, before anything was taken
  redis.call("LLEN", KEYS[at * 3 - 1])
  redis.call("LLEN", KEYS[at * 3])
  redis.call("HLEN", KEYS[at * 3 + 1])
end

for at = 1, #ARGV - 3 do
  local queue, lease, owners = KEYS[at * 3 - 1], KEYS[at * 3], KEYS[at * 3 + 1]
  if redis.call("SISMEMBER", paused, ARGV[at + 3]) == 1 then
    found[at] = false
  elseif wanted <= 0 then
    found[at] = {}
  else
    local taken = redis.call("RPOP", queue, wanted) or {}
    if #taken > 0 then
      redis.call("LPUSH", lease, unpack(taken))
      redis.call("HSET", owners, identity, concurrency)
      wanted = wanted - #taken
    end
    found[at] = taken
  end
end

return found
