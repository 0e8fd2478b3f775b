-- Write that the workers of one process live and what they run, in the form of Resque.
--
-- KEYS[1]  workers     SET of ids
-- KEYS[2]  heartbeats  HASH of id to moment
-- KEYS[3+] pairs       per worker what it runs (STRING), when it started (STRING)
-- ARGV[1]  moment      ISO 8601, by this server's clock
-- ARGV[2]  started     when the process started
-- ARGV[3+] pairs       per worker its id, what it runs (empty: nothing)
-- returns  how many workers

local workers, heartbeats, moment, started = KEYS[1], KEYS[2], ARGV[1], ARGV[2]

for at = 3, #ARGV, 2 do
  local worker, work = ARGV[at], ARGV[at + 1]
  redis.call("SADD", workers, worker)
  redis.call("HSET", heartbeats, worker, moment)
  redis.call("SET", KEYS[at + 1], started)
  if work == "" then redis.call("DEL", KEYS[at]) else redis.call("SET", KEYS[at], work) end
end
return (#ARGV - 2) / 2
