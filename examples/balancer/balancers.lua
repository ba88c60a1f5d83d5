-- SPDX-License-Identifier: MIT
-- A balancer chooses one of the nodes that are left. It must not wait, and keeps no counts of its own:
-- `active`, `latency`, `errors`, `calls`, `weight` of a node are always current.
local perilune = require 'perilune'

perilune.loadbalance('fewest', function(ctx, call, nodes)
  return nodes:min 'active'
end)

-- In table form it also hears how each attempt ended.
perilune.loadbalance {
  name = 'fair_share',
  new = function()
    local best = {}
    return {
      -- The node that has had the smallest part of what its weight entitles it to.
      pick = function(ctx, call, nodes)
        local chosen, least = nil, math.huge
        for _, node in ipairs(nodes) do
          local share = node.calls / node.weight
          if share < least then
            chosen, least = node, share
          end
        end
        return chosen
      end,
      done = function(ctx, call, node, err)
        best[node.id] = (best[node.id] or 0) + (err and 0 or 1)
      end,
    }
  end,
}
