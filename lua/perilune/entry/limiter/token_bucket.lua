-- SPDX-License-Identifier: MIT
-- `rate` calls per `period` on average, `burst` of them at once; what is too much is refused. One bucket
-- per key for the whole process.
local policy = require('perilune').policy

return {
  name = 'token_bucket',
  new = function()
    local take = policy.shared.take
    return function(key, rule)
      return take(key, rule.interval, rule.burst)
    end
  end,
}
