-- SPDX-License-Identifier: MIT
-- Limits hold for the process, whatever the number of workers. An hour is long enough for an example to
-- show the same each time.
local perilune = require 'perilune'
require 'filters'

local _, url, registry = ...
local HOUR = 3600000

perilune.export {
  interface = 'demo.Fountain',
  service = {
    drink = function()
      return 'a sip'
    end,
    bathe = function()
      return 'splash'
    end,
    throw_coin = function()
      return 'a wish'
    end,
  },
  limiter = {
    period = HOUR,
    identity = { 'attachment', name = 'app' },
    rules = {
      { rate = 100 },
      { caller = 'tourist*', rate = 2, by = { 'caller' } },
    },
  },
  methods = {
    bathe = { limiter = { rate = 1, algorithm = 'every_other' } },
    throw_coin = { limiter = false },
  },
  registry = registry,
}
perilune.listen(url)
