-- SPDX-License-Identifier: MIT
-- Selectors narrow the nodes before the balancer chooses. They must not wait.
local perilune = require 'perilune'

-- An indexed rule: nodes are grouped by a meta field when the list changes, not at every call.
perilune.selector('near', {
  by = 'region',
  want = function(ctx, call)
    return call.attachments.region
  end,
  otherwise = 'all', -- better a far node than none
})

-- A function: any rule, at the price of looking at each node.
perilune.selector('not_named', function(ctx, call, nodes)
  local unwanted = call.attachments.avoid
  if not unwanted then
    return nodes
  end
  return nodes:filter(function(node, name)
    return node.meta.name ~= name
  end, unwanted)
end)
