-- SPDX-License-Identifier: MIT
-- Stays with one node while that is there and sound; `of` chooses it, and the next one after it is
-- gone or an attempt failed because of it. For services that warm up a cache for their caller.
local policy = require 'perilune.policy'

return {
  name = 'sticky',
  schema = { of = { type = 'any', default = 'p2c', help = 'balancer that chooses the node' } },
  new = function(conf)
    local inner, message = policy.use('loadbalance', conf.of)
    if not inner then
      return nil, message
    end
    local chosen
    return {
      pick = function(ctx, call, nodes)
        if not (chosen and nodes:has(chosen) and chosen.state == 'ready') then
          chosen = inner.pick(ctx, call, nodes)
        end
        return chosen
      end,
      done = function(ctx, call, node, err)
        if err and node == chosen and policy.blames_node(err) then
          chosen = nil
        end
        if inner.done then
          inner.done(ctx, call, node, err)
        end
      end,
    }
  end,
}
