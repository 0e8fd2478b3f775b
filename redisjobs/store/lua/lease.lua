-- Move up to `count` jobs, oldest first, from some queues to one process's lease lists.
--
-- KEYS[1]    paused       SET of the names of queues that nobody may take from
-- KEYS[2+]   triples      queue (LIST), lease list (LIST, newest at the head), owners (HASH); then, where there is one,
--                         a STRING that pauses all queues while it is "true"
-- ARGV[1]    identity     of the process
-- ARGV[2]    concurrency  of the process; the reaper reads it to tell started jobs from waiting ones
-- ARGV[3]    count        the most to take; 5,000 are taken at most
-- ARGV[4]    pop          RPOP or LPOP: the end where the oldest job of a queue stands
-- ARGV[5+]   names        of the queues, in the order to take from them
-- returns    per queue looked at: the payloads taken, oldest first; false if it is paused

local paused, identity, concurrency = KEYS[1], ARGV[1], ARGV[2]
local pop, queues, all = ARGV[4], #ARGV - 4, KEYS[(#ARGV - 4) * 3 + 2]
local wanted = math.min(tonumber(ARGV[3]), 5000) -- Lua hands less than 8,000 values on; more would be lost
local found = {}

for at = 1, queues do -- each raises if it is no list, before anything was taken
  redis.call("LLEN", KEYS[at * 3 - 1])
  redis.call("LLEN", KEYS[at * 3])
  redis.call("HLEN", KEYS[at * 3 + 1])
end

local said = all and redis.pcall("GET", all) -- pcall: whatever else stands there pauses nothing
local stop = type(said) == "string" and said:lower():match("^%s*true%s*$")
for at = 1, queues do
  local queue, lease, owners = KEYS[at * 3 - 1], KEYS[at * 3], KEYS[at * 3 + 1]
  if stop or redis.call("SISMEMBER", paused, ARGV[at + 4]) == 1 then
    found[at] = false
  elseif wanted <= 0 then
    found[at] = {}
  else
    local taken = redis.call(pop, queue, wanted) or {}
    if #taken > 0 then
      redis.call("LPUSH", lease, unpack(taken))
      redis.call("HSET", owners, identity, concurrency)
      wanted = wanted - #taken
    end
    found[at] = taken
  end
end

return found
