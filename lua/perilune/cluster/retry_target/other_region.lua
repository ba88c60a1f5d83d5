-- SPDX-License-Identifier: MIT
-- A node of a region that was not tried yet: what fails a whole region fails its other nodes, too.
--   retry_target = { 'other_region', key = 'zone' }
return {
  name = 'other_region',
  schema = { key = { type = 'string', default = 'region', help = 'meta field of the node' } },
  new = function(conf)
    local function elsewhere(node, tried)
      for _, other in ipairs(tried) do
        if other == node or other.meta[conf.key] == node.meta[conf.key] then
          return false
        end
      end
      return node.state == 'ready'
    end
    return function(_, _, nodes, tried)
      return nodes:filter(elsewhere, tried)
    end
  end,
}
