-- SPDX-License-Identifier: MIT
-- What a reload costs those who call meanwhile.

local subjects = require 'subjects'

-- Far from what the server can do, so that what a reload delays is seen.
local RELOAD_RATE = 10000

---@type bench.Group
return {
  name = 'reload',
  rounds = 5,
  subjects = {
    {
      name = 'reload',
      server = 'perilune',
      measure = function(server)
        return subjects.reload(server, RELOAD_RATE)
      end,
    },
  },
  cases = {
    {
      case = 'reload, p99',
      metric = 'p99 us with reloads',
      of = { 'reload', 'p99_during_us' },
      against = { 'reload', 'p99_before_us' },
      peer = 'without',
      must = 2,
      aim = 1.25,
      pairs = true,
    },
  },
}
