-- SPDX-License-Identifier: MIT
-- The server under measurement: handlers that return their argument. From the environment:
--   BENCH_METHODS  how many, named m0, m1, ... (1)      BENCH_FILTERS  0 to 5 (5)
--   BENCH_BUILTIN  options of lua/builtin.lua (none)
--   BENCH_EXECUTOR which runs them (inline)       BENCH_BURN     ms a handler in the pool computes (0 = none)
--   BENCH_BALLAST  live Lua tables kept beside (0)      BENCH_LISTEN   (tcp://127.0.0.1:0)
-- Beside them `w0` waits once and answers, `hold` waits ten minutes.

local perilune = require 'perilune'
local filters = require 'filters'

local function number(name, default)
  return tonumber(os.getenv(name)) or default
end

-- A function of its own for each method, as in a service somebody wrote.
local function make_service(count)
  local service = {}
  for i = 0, count - 1 do
    local source = ('return function(ctx, value) local method = %d return value end'):format(i)
    service['m' .. i] = assert(loadstring(source, '=method' .. i))()
  end
  return service
end

local service = make_service(number('BENCH_METHODS', 1))

function service.w0(_, value)
  perilune.sleep(0)
  return value
end

function service.hold(_, value)
  perilune.sleep(600000)
  return value
end

local export = {
  interface = 'bench.Echo',
  alias = 'bench',
  service = service,
  filters = filters(number('BENCH_FILTERS', 5)),
}
for option, value in pairs(require('builtin')[os.getenv 'BENCH_BUILTIN' or 'none']) do
  export[option] = value
end
export.executor = os.getenv 'BENCH_EXECUTOR'
perilune.export(export)

-- A service of the same process that computes all the time, in the executor.
local burn = number('BENCH_BURN', 0)
if burn > 0 then
  perilune.export {
    interface = 'bench.Burn',
    executor = 'pool',
    service = {
      burn = function(ctx)
        local till = perilune.hrtime() + burn
        while perilune.hrtime() < till and not ctx:cancelled() do
        end
        return true
      end,
    },
  }
  local me = perilune.refer { interface = 'bench.Burn', inproc = true, timeout = 60000 }
  perilune.start(function()
    if require('perilune.core').role == 'executor' then
      return
    end
    perilune.detached(function()
      while true do
        if not me:burn() then
          perilune.sleep(10) -- raises when the process ends
        end
      end
    end)
  end)
end

perilune.listen(os.getenv 'BENCH_LISTEN' or 'tcp://127.0.0.1:0')

local ballast = number('BENCH_BALLAST', 0)
if ballast > 0 then
  local kept = {}
  perilune.start(function()
    for i = 1, ballast do
      kept[i] = { id = i, name = 'a live table', next = kept[i - 1] }
    end
  end)
end
