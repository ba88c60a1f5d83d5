-- SPDX-License-Identifier: MIT
-- The server that is overloaded: `burn` costs 200 us of CPU and returns its argument, `full` lets one
-- call in and refuses all others.

local perilune = require 'perilune'

local BURN_MS = 0.2

perilune.export {
  interface = 'bench.Echo',
  alias = 'bench',
  service = {
    burn = function(_, body)
      local till = perilune.hrtime() + BURN_MS
      while perilune.hrtime() < till do
      end
      return body
    end,
    full = function(_, body)
      perilune.sleep(600000)
      return body
    end,
  },
  methods = { full = { concurrency = 1 } },
}

perilune.listen 'tcp://127.0.0.1:0'
