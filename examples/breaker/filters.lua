-- SPDX-License-Identifier: MIT
-- A breaker decides on a table that the filter keeps for each circuit, numbers and words only, so that a
-- reload hands it over. This one opens after the first failure, for a second.
local perilune = require 'perilune'

perilune.breaker('nervous', {
  allow = function(state, now)
    state.state = state.state or 'closed'
    if state.state == 'open' and now < state.till then
      return nil, state.till - now
    end
    state.state = 'closed'
    return true
  end,
  done = function(state, now, outcome)
    if outcome == 'failed' then
      state.state, state.till = 'open', now + 1000
    end
  end,
})

-- A mock answers instead of the service; `err` says what went wrong with it.
perilune.mock('almanac', function(_, call, err)
  return ('%s: as every year (%s)'):format(call.method, err and err.code or 'nobody was asked')
end)
