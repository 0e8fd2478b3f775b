local function score(at, whole) -- Verk's pages read whole seconds only
  return whole and string.format("%.0f", math.ceil(at)) or string.format("%.6f", at)
end
