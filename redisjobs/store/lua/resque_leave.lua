-- Take workers off Resque's registry: those whose id starts as one of some processes of ours has it.
--
-- The keys of a worker are named by its id, which is found here: so they are made here.
--
-- KEYS[1]  workers     SET of ids
-- KEYS[2]  heartbeats  HASH of id to moment
-- ARGV[1]  prefix      of all keys
-- ARGV[2+] starts      of ids
-- returns  how many went

local workers, heartbeats, prefix = KEYS[1], KEYS[2], ARGV[1]
local gone = 0

for _, worker in ipairs(redis.call("SMEMBERS", workers)) do
  for at = 2, #ARGV do
    if string.sub(worker, 1, #ARGV[at]) == ARGV[at] then
      redis.call("SREM", workers, worker)
      redis.call("HDEL", heartbeats, worker)
      redis.call("DEL", prefix .. "worker:" .. worker, prefix .. "worker:" .. worker .. ":started")
      redis.call("DEL", prefix .. "stat:processed:" .. worker, prefix .. "stat:failed:" .. worker)
      gone = gone + 1
    end
  end
end
return gone
