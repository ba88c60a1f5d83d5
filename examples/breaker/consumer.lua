-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'
require 'filters'

local weather = perilune.refer {
  interface = 'demo.Weather',
  registry = (...),
  retries = 0,
  breaker = { min_calls = 3, error_ratio = 0.5, open = 60000 },
  methods = {
    tomorrow = { breaker = { breaker = 'nervous' }, mock = { mode = 'fail', with = 'almanac' } },
  },
}
local fog = perilune.with(weather, { attachments = { fog = true } })

perilune.on('breaker.state', function(event)
  print(('%s: %s -> %s'):format(event.method, event.from, event.to))
end)

perilune.main(function()
  local function show(result, err)
    print(result or err)
    perilune.sleep(0) -- listeners hear of it when we wait
  end
  show(weather:today())
  for _ = 1, 3 do
    show(fog:today())
  end
  show(weather:today()) -- the circuit is open: nobody is asked
  show(fog:tomorrow())
  show(weather:tomorrow())
  return 0
end)
