-- SPDX-License-Identifier: MIT
-- A service that is switched to failing, by injected faults: they end by themselves.
local perilune = require 'perilune'

local _, url, registry = ...

perilune.export {
  interface = 'demo.Weather',
  service = {
    today = function()
      return 'sun'
    end,
    tomorrow = function()
      return 'rain'
    end,
  },
  fault = {
    abort = 'UNAVAILABLE',
    message = 'no view of the sky',
    match = { fog = true },
    lasts = 600000,
  },
  registry = registry,
}
perilune.listen(url)
