-- Release a lock that a job holds, and nobody else's.
--
-- KEYS[1]  lock   STRING, the jid of who holds it
-- ARGV[1]  jid    of the job
-- returns  1 if it was released

local lock, jid = KEYS[1], ARGV[1]

if redis.call("GET", lock) ~= jid then return 0 end
return redis.call("DEL", lock)
