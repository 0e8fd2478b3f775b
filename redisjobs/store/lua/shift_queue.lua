-- Move jobs, oldest first, from a queue to another list, and the name of an empty queue off its set.
--
-- The list may be in another database of this server: a script alone moves between two of them in one step. What
-- is written first is the copy: should a write be refused, no job is missing.
--
-- KEYS[1]  source       LIST of payloads, newest at the head
-- KEYS[2]  its names    SET of the names of queues, where the source stands
-- KEYS[3]  target       LIST of payloads, newest at the head
-- KEYS[4]  names        SET of the names of queues, where the target is to stand
-- ARGV[1]  name         of the queue
-- ARGV[2]  count        the most to move
-- ARGV[3]  bytes        after which no more are moved; the first is moved whatever its size
-- ARGV[4]  source db    number of the database of the source, empty if both are in the same
-- ARGV[5]  target db    number of the database of the target
-- returns  how many were moved

local source, source_names, target, names = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local name, count, bytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local source_db, target_db = ARGV[4], ARGV[5]
local taken, size = {}, 0

for at = 1, count do
  local payload = redis.call("LINDEX", source, -at)
  if not payload or (at > 1 and size + #payload > bytes) then break end
  taken[at] = payload
  size = size + #payload
end

if #taken > 0 then
  if source_db ~= "" then redis.call("SELECT", target_db) end
  redis.call("SCARD", names) -- raises if it is no set, before anything was stored
  redis.call("LPUSH", target, unpack(taken))
  redis.call("SADD", names, name)
  if source_db ~= "" then redis.call("SELECT", source_db) end
  redis.call("RPOP", source, #taken)
end
if redis.call("LLEN", source) == 0 then redis.call("SREM", source_names, name) end
return #taken
