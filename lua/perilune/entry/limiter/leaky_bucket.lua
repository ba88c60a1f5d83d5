-- SPDX-License-Identifier: MIT
-- Calls leave one by one, `rate` per `period`, evenly; up to `burst` of them wait in the bucket for their
-- turn (or for at most `queue` ms), more are refused. One bucket per key for the whole process. A call whose
-- turn would come after its deadline is refused, too: it would only keep others from theirs.
local policy = require('perilune').policy

return {
  name = 'leaky_bucket',
  schema = { queue = { type = 'number', min = 0, help = 'ms a call waits at most' } },
  new = function(conf)
    local take, queue = policy.shared.take, conf.queue
    return function(key, rule, ctx)
      local most, left = queue or (rule.burst - 1) * rule.interval, ctx:left()
      return take(key, rule.interval, 1, 1, left and left < most and math.max(0, left) or most)
    end
  end,
}
