-- SPDX-License-Identifier: MIT
-- Nodes of the own zone, else of the own region, else all; a place counts while it has at least `min`
-- nodes that are ready.
--   selectors = { { 'region_first', region = 'eu', zone = 'eu-1' } }
return {
  name = 'region_first',
  schema = {
    region = { type = 'string', required = true, help = 'where this process is' },
    zone = { type = 'string', help = 'where in it' },
    min = { type = 'integer', min = 1, default = 1, help = 'nodes a place needs to be preferred' },
    region_key = { type = 'string', default = 'region', help = 'meta field of the node' },
    zone_key = { type = 'string', default = 'zone', help = 'the same for the zone' },
  },
  new = function(conf)
    return function(_, _, nodes)
      local region = nodes:where(conf.region_key, conf.region)
      if conf.zone then
        local zone = region:where(conf.zone_key, conf.zone)
        if #zone >= conf.min then
          return zone
        end
      end
      return #region >= conf.min and region or nodes
    end
  end,
}
