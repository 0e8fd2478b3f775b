local function pluck(queue, mark, start, span, wanted) -- returns the payloads that were there, oldest first
  local found = {}
  if span == 0 then -- anywhere
    for _, payload in ipairs(wanted) do
      if redis.call("LREM", queue, 1, payload) == 1 then found[#found + 1] = payload end
    end
    return found
  end
  local missing = {}
  for _, payload in ipairs(wanted) do missing[payload] = (missing[payload] or 0) + 1 end
  local entries = redis.call("LRANGE", queue, -start - span, -start - 1)
  for at = #entries, 1, -1 do
    local payload = entries[at]
    if (missing[payload] or 0) > 0 then
      missing[payload] = missing[payload] - 1
      found[#found + 1] = payload
      redis.call("LSET", queue, at - #entries - start - 1, mark) -- so that one LREM, which walks, takes all of them
    end
  end
  if #found > 0 then
    local is_near = 2 * start < redis.call("LLEN", queue)
    redis.call("LREM", queue, is_near and -#found or #found, mark)
  end
  return found
end
