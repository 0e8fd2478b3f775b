-- Move jobs from a queue to another one, behind what that has. Who removes a job moves it.
--
-- KEYS[1]  queue    LIST of payloads, newest at the head
-- KEYS[2]  target   LIST of payloads, newest at the head
-- KEYS[3]  queues   SET of the names of queues
-- ARGV[1]  mark     bytes that no payload has
-- ARGV[2]  start    how many jobs, counted from the tail, are before the place to look
-- ARGV[3]  span     how many jobs to look at there; 0: at all
-- ARGV[4]  name     of the target
-- ARGV[5+] pairs    payload as it stands in the queue, payload as it goes to the target
-- returns  how many were moved

local queue, target, queues = KEYS[1], KEYS[2], KEYS[3]
local mark, start, span, name = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local wanted, changed = {}, {}

-- include pluck

redis.call("LLEN", target) -- raises if it is no list, before anything was taken
redis.call("SCARD", queues) -- likewise
for at = 5, #ARGV, 2 do
  wanted[#wanted + 1] = ARGV[at]
  changed[ARGV[at]] = ARGV[at + 1]
end
local found = pluck(queue, mark, start, span, wanted)
for _, payload in ipairs(found) do redis.call("LPUSH", target, changed[payload]) end
if #found > 0 then redis.call("SADD", queues, name) end
return #found
