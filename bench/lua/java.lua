-- SPDX-License-Identifier: MIT
-- demo.Probe as stock Java consumers call it, as far as it is measured: the Lua side of the echo that
-- spec/interop/java provides in Java.

local perilune = require 'perilune'
local filters = require 'filters'

perilune.export {
  interface = perilune.interface [[
    package demo;
    interface Probe { String echoString(String value); }
  ]],
  alias = 'prod',
  service = {
    echoString = function(_, value)
      return value
    end,
  },
  executor = os.getenv 'BENCH_EXECUTOR',
  filters = filters(tonumber(os.getenv 'BENCH_FILTERS') or 5),
}
perilune.listen 'tcp://127.0.0.1:0'
