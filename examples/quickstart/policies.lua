-- SPDX-License-Identifier: MIT
-- A filter, a selector and a balancer in Lua. Each notes why it decided as it did.
local perilune = require 'perilune'

local function because(ctx, ...)
  ctx.state.why = ctx.state.why or {}
  table.insert(ctx.state.why, string.format(...))
end

-- Which nodes may answer? Calls with the attachment `canary` go to version v2 only.
perilune.selector('canary', {
  by = 'version', -- the field of node.meta that nodes are indexed by
  want = function(ctx, call)
    if call.attachments.canary then
      because(ctx, 'selector: canary calls go to v2')
      return 'v2'
    end
  end,
})

-- Which of them does? The one that was asked least.
perilune.loadbalance('least_asked', function(ctx, call, nodes)
  local node = nodes:min 'calls'
  because(ctx, 'balancer: %s, asked %d times, is one of %d', node.meta.name, node.calls, #nodes)
  return node
end)

-- What happens around each call? Here: the reasons are added to the answer.
perilune.filter('explain', function(ctx, call, next)
  local result, err = next(ctx, call)
  local why = table.concat(ctx.state.why or {}, '; ')
  if err then
    return nil, perilune.error(err.code, ('%s  [%s]'):format(err.message, why))
  end
  return ('%-26s [%s]'):format(result, why)
end)
