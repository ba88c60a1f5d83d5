-- SPDX-License-Identifier: MIT
-- Calls with the same key go to the same node, as long as it is there and not busier than `bound`
-- times its share of the calls in flight; then to the next on the ring. Calls without a key go
-- anywhere.
--   loadbalance = { 'consistent_hash', key = 'arg.1.user' }
local policy = require 'perilune.policy'

return {
  name = 'consistent_hash',
  schema = {
    key = {
      type = 'any',
      default = 'arg.1',
      help = "'arg.1', 'attachment.user', function(ctx, call)",
    },
    bound = {
      type = 'number',
      min = 0,
      default = 1.25,
      help = 'times the fair share; 0 = no bound',
    },
  },
  new = function(conf)
    if conf.bound > 0 and conf.bound <= 1 then
      return nil, ('bound must be 0 or above 1, got %s'):format(conf.bound)
    end
    local key_of, message = policy.value(conf.key)
    if not key_of then
      return nil, 'key: ' .. message
    end
    return function(ctx, call, nodes)
      local key = policy.text(key_of(ctx, call))
      return key and nodes:by_hash(key, conf.bound) or nodes:better_of_two()
    end
  end,
}
