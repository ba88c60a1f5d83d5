-- SPDX-License-Identifier: MIT
-- Nodes on this host while there are any, else all; `of` chooses among them.
local policy = require 'perilune.policy'

local function is_local(node)
  return node.is_local
end

return {
  name = 'local_first',
  schema = { of = { type = 'any', default = 'p2c', help = 'balancer that chooses among them' } },
  new = function(conf)
    local inner, message = policy.use('loadbalance', conf.of)
    if not inner then
      return nil, message
    end
    return {
      pick = function(ctx, call, nodes)
        local near = nodes:where(is_local, true)
        return inner.pick(ctx, call, #near > 0 and near or nodes)
      end,
      done = inner.done,
    }
  end,
}
