-- SPDX-License-Identifier: MIT
-- Calls leave one by one, `rate` per `period`, evenly; up to `burst` of them wait in the bucket for their
-- turn (or for at most `queue` ms), more are refused. One bucket per key for the whole process.
local policy = require('perilune').policy

return {
  name = 'leaky_bucket',
  schema = { queue = { type = 'number', min = 0, help = 'ms a call waits at most' } },
  new = function(conf)
    local take, queue = policy.shared.take, conf.queue
    return function(key, rule)
      return take(key, rule.interval, 1, 1, queue or (rule.burst - 1) * rule.interval)
    end
  end,
}
