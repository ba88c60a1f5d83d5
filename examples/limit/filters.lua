-- SPDX-License-Identifier: MIT
-- A limiter gets the key of what is limited, its rule { rate, period, burst, interval } and the ctx of the call.
-- It returns the ms the call has to wait (0 = go on), or nil and the ms after which to try again.
local perilune = require 'perilune'
local shared = perilune.policy.shared -- one for all workers

perilune.limiter('every_other', function(key, rule)
  if shared.incr('every other ' .. key, 1) % 2 == 1 then
    return 0
  end
  return nil, rule.interval
end)
