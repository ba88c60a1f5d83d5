-- SPDX-License-Identifier: MIT
-- Connect to at most `connections` nodes, chosen by rendezvous hashing: each worker has its own
-- ranking of the addresses and takes the best, so that providers get even shares of the workers and
-- a change of the list moves only the connections it must. Nodes that could not be reached rank
-- last. Of each group that a selector tells apart at least a few are kept, so that a small canary
-- group is not lost among thousands.
local C = require 'perilune.ffi'

local function better(a, b)
  if a.failing ~= b.failing then
    return b.failing
  elseif a.rank ~= b.rank then
    return a.rank > b.rank
  end
  return a.entry.address < b.entry.address
end

-- How many of each group have a place for certain.
local function quota(ranked, want)
  local groups, count = {}, 0
  for _, row in ipairs(ranked) do
    for _, group in ipairs(want.groups and want.groups(row.entry) or {}) do
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
    local ranked = {}
    for i, entry in ipairs(entries) do
      ranked[i] = {
        entry = entry,
        rank = C.peri_node_rank(entry.address, want.chooser),
        failing = want.failing(entry) and true or false,
      }
    end
    table.sort(ranked, better)
    local groups, each = quota(ranked, want)
    local chosen, rest = {}, {}
    for _, row in ipairs(ranked) do
      local keep = false
      for _, group in ipairs(want.groups and want.groups(row.entry) or {}) do
        if groups[group] < each then
          groups[group] = groups[group] + 1
          keep = true
        end
      end
      table.insert(keep and chosen or rest, row.entry)
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
