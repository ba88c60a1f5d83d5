-- SPDX-License-Identifier: MIT
-- A router owns the attempts of a call. `send(node)` makes one; it may be called again, and may wait.
local perilune = require 'perilune'

-- The simplest one that tries again.
perilune.router('twice', function(ctx, call, nodes, send)
  local result, err = send(nodes:pick(ctx, call))
  if err and err.retryable then
    return send(nodes:pick(ctx, call))
  end
  return result, err
end)

-- For the example: the broken one is always asked first.
perilune.loadbalance('broken_first', function(ctx, call, nodes)
  for _, node in ipairs(nodes) do
    if node.meta.name == 'broken' then
      return node
    end
  end
  return nodes[1]
end)
