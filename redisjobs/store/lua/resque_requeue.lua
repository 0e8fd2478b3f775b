-- Put the job of a failure back into its queue; the failure stays, with the moment noted in it, as Resque has it.
--
-- KEYS[1]  failed   LIST of failure records
-- KEYS[2]  queue    LIST of jobs, the next to run at the head
-- KEYS[3]  queues   SET of the names of queues
-- ARGV[1]  record   as it stands in the list
-- ARGV[2]  noted    the record with the moment
-- ARGV[3]  job      as it goes to the queue
-- ARGV[4]  name     of the queue
-- returns  1 if the record was there, else 0

local failed, queue, queues = KEYS[1], KEYS[2], KEYS[3]
local record, noted, job, name = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

redis.call("LLEN", queue) -- raises if it is no list, before anything was changed
redis.call("SCARD", queues) -- likewise
local at = redis.call("LPOS", failed, record)
if not at then return 0 end
redis.call("LSET", failed, at, noted)
redis.call("RPUSH", queue, job)
redis.call("SADD", queues, name)
return 1
