-- SPDX-License-Identifier: MIT
-- A node that was not tried yet, while there is one that is ready.
local function is_fresh(node, tried)
  if node.state ~= 'ready' then
    return false
  end
  for _, other in ipairs(tried) do
    if other == node then
      return false
    end
  end
  return true
end

local function is_ready(node)
  return node.state == 'ready'
end

return {
  name = 'other',
  retry_target = function(ctx, call, nodes, tried)
    -- Among many nodes the balancer hardly ever names one of the few that were tried.
    for _ = 1, #nodes > 16 and 4 or 0 do
      local node = nodes:pick(ctx, call)
      if node and is_fresh(node, tried) then
        return nodes:only(node)
      end
    end
    local fresh = nodes:filter(is_fresh, tried)
    return #fresh > 0 and fresh or nodes:filter(is_ready)
  end,
}
