-- Forget that a process may hold leases of a queue, unless it holds some.
--
-- KEYS[1]  lease list   LIST of payloads
-- KEYS[2]  owners       HASH of identity to concurrency
-- ARGV[1]  identity     of the process
-- returns  1 if it was forgotten

local lease, owners, identity = KEYS[1], KEYS[2], ARGV[1]

if redis.call("LLEN", lease) > 0 then return 0 end
return redis.call("HDEL", owners, identity)
