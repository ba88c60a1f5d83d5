-- SPDX-License-Identifier: MIT
-- Connects to the own zone first, then to the own region while that is fewer than `min` nodes, then to
-- others; and to `standby` nodes of every other region, so that there is somewhere to go when the own
-- one is lost. Which of them gets calls is up to a selector (region_first).
--   candidate = { 'region', region = 'eu', zone = 'eu-1', min = 4, standby = 2 }
local function place_of(conf, entry)
  local region, zone = entry.meta[conf.region_key], entry.meta[conf.zone_key]
  if region ~= conf.region then
    return 'far', region or ''
  end
  return (not conf.zone or zone == conf.zone) and 'home' or 'near'
end

local function sorted_names(map)
  local names = {}
  for name in pairs(map) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

return {
  name = 'region',
  schema = {
    region = { type = 'string', required = true, help = 'where this process is' },
    zone = { type = 'string', help = 'where in it' },
    min = { type = 'integer', min = 1, default = 1, help = 'nodes to have at least' },
    standby = { type = 'integer', min = 0, default = 0, help = 'nodes of each other region' },
    region_key = { type = 'string', default = 'region', help = 'meta field of the node' },
    zone_key = { type = 'string', default = 'zone', help = 'the same for the zone' },
  },
  new = function(conf)
    return function(entries, want)
      local home, near, others, far = {}, {}, {}, {}
      for _, entry in ipairs(want.ranked(entries)) do
        local place, region = place_of(conf, entry)
        if place == 'far' then
          others[region] = others[region] or {}
          table.insert(others[region], entry)
          table.insert(far, entry)
        else
          table.insert(place == 'home' and home or near, entry)
        end
      end
      local chosen, taken = {}, {}
      local function take(list, most)
        for _, entry in ipairs(list) do
          if #chosen >= math.min(most, want.connections) then
            break
          elseif not taken[entry] then
            taken[entry] = true
            chosen[#chosen + 1] = entry
          end
        end
      end
      take(home, want.connections)
      take(near, conf.min)
      take(far, conf.min)
      for _, name in ipairs(sorted_names(others)) do
        take(others[name], #chosen + conf.standby)
      end
      return chosen
    end
  end,
}
