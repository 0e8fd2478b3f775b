-- Look at both ends of a list or a sorted set: how large its entries are, and what stands in them.
--
-- KEYS[1]  entries  LIST or ZSET of payloads
-- ARGV[1]  count    the most to look at, of each end
-- ARGV[2]  whole    entries of more bytes than this are cut,
-- ARGV[3]  tail     to their last so many bytes
-- returns  how many entries there are (0 if it is neither), then of each its size, its bytes and its score or ""

local entries, count, whole, tail = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kind = redis.call("TYPE", entries).ok
local length = 0
if kind == "list" then length = redis.call("LLEN", entries) end
if kind == "zset" then length = redis.call("ZCARD", entries) end

local found = { length }
local function look(at)
  local entry, score
  if kind == "list" then
    entry, score = redis.call("LINDEX", entries, at), ""
  else
    local pair = redis.call("ZRANGE", entries, at, at, "WITHSCORES")
    entry, score = pair[1], pair[2]
  end
  found[#found + 1] = #entry
  found[#found + 1] = #entry > whole and string.sub(entry, -tail) or entry
  found[#found + 1] = score
end

for at = 0, math.min(count, length) - 1 do look(at) end
for at = math.max(count, length - count), length - 1 do look(at) end
return found
