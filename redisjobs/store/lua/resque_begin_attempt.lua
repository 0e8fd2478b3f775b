-- Count a run of a job that is tried again when it fails, as resque-retry does.
--
-- KEYS[1]  attempts  INTEGER, how often it was tried again; missing before the first run
-- returns  the number of retries so far, this run included: 0 for the first run

local attempts = KEYS[1]

redis.call("SETNX", attempts, "-1")
return redis.call("INCR", attempts)
