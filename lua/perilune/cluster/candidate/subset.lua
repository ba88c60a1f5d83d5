-- SPDX-License-Identifier: MIT
-- Connect to at most `connections` nodes, chosen by rendezvous hashing: each worker has its own
-- ranking of the addresses and takes the best, so that providers get even shares of the workers and
-- a change of the list moves only the connections it must. Nodes that could not be reached rank
-- last. Of each group that a selector tells apart at least a few are kept, so that a small canary
-- group is not lost among thousands.

-- How many of each group have a place for certain.
local function quota(entries, want)
  local groups, count = {}, 0
  for _, entry in ipairs(entries) do
    for _, group in ipairs(want.groups and want.groups(entry) or {}) do
      if not groups[group] then
        groups[group] = 0
        count = count + 1
      end
    end
  end
  return groups, math.max(1, math.floor(want.connections / math.max(1, count) / 2))
end

return {
  name = 'subset',
  choose = function(entries, want)
    if #entries <= want.connections then
      return entries
    end
    entries = want.ranked(entries)
    local groups, each = quota(entries, want)
    local chosen, rest = {}, {}
    for _, entry in ipairs(entries) do
      local keep = false
      for _, group in ipairs(want.groups and want.groups(entry) or {}) do
        if groups[group] < each then
          groups[group] = groups[group] + 1
          keep = true
        end
      end
      table.insert(keep and chosen or rest, entry)
    end
    for _, entry in ipairs(rest) do
      if #chosen >= want.connections then
        break
      end
      chosen[#chosen + 1] = entry
    end
    return chosen
  end,
}
