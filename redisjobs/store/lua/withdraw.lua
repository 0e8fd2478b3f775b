-- Delete jobs of a queue by their exact bytes. Who removes a job owns it: workers may take from the same queue.
--
-- KEYS[1]  queue    LIST of payloads, newest at the head
-- ARGV[1]  mark     bytes that no payload has
-- ARGV[2]  start    how many jobs, counted from the tail, are before the place to look
-- ARGV[3]  span     how many jobs to look at there; 0: at all
-- ARGV[4+] wanted   payloads
-- returns  how many were deleted

local queue, mark, start, span = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

-- include pluck

return #pluck(queue, mark, start, span, { unpack(ARGV, 4) })
