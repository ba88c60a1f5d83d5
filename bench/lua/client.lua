-- SPDX-License-Identifier: MIT
-- The client under measurement: BENCH_IN_FLIGHT coroutines, each of which calls, waits, checks and
-- calls again, over one connection to BENCH_URL. Prints `begin CALLS` and `end CALLS` at the two
-- ends of the timed window; whoever started it reads the CPU clocks then. With BENCH_MODE=hold the
-- calls are to a handler that does not answer: `begin` before them, `held COUNT` when all are out.

local perilune = require 'perilune'
local filters = require 'filters'

local in_flight = tonumber(os.getenv 'BENCH_IN_FLIGHT') or 64
local warm_ms = tonumber(os.getenv 'BENCH_WARM_MS') or 500
local window_ms = tonumber(os.getenv 'BENCH_WINDOW_MS') or 2000
local holding = os.getenv 'BENCH_MODE' == 'hold'

local PAYLOADS = 4096
local CHECK_EVERY = 61
local SETTLE_MS = 4000

perilune.selector('everyone', {
  by = function()
    return 'any'
  end,
  want = function()
    return 'any'
  end,
  otherwise = 'none',
})

local echo = perilune.refer {
  interface = 'bench.Echo',
  alias = 'bench',
  url = os.getenv 'BENCH_URL',
  serialization = 'raw',
  selectors = { 'everyone' },
  router = 'failover',
  loadbalance = 'p2c',
  filters = filters(5),
  timeout = holding and 600000 or 30000,
}

local function say(...)
  io.stdout:write(table.concat({ ... }, ' '), '\n')
  io.stdout:flush()
end

local function make_payloads()
  local list = {}
  for i = 1, PAYLOADS do
    list[i] = ('%08d-%08x-%013d'):format(i, i * 2654435761 % 4294967296, i * i)
  end
  return list
end

local calls, stopping, failure = 0, false, nil

local function check(sent, got)
  local text = type(got) == 'string' and got or got:string()
  if text ~= sent then
    failure = 'the echo differs from what was sent'
  end
end

local function caller(payloads, at)
  while not stopping and not failure do
    at = at % PAYLOADS + 1
    local got, err = echo:m0(payloads[at])
    if err then
      failure = tostring(err)
    elseif at % CHECK_EVERY == 0 then
      check(payloads[at], got)
    end
    calls = calls + 1
  end
end

local function measure(payloads)
  for i = 1, in_flight do
    perilune.spawn(function()
      caller(payloads, i * 7)
    end)
  end
  perilune.sleep(warm_ms)
  say('begin', calls)
  perilune.sleep(window_ms)
  say('end', calls)
  stopping = true
end

local function hold(payloads)
  for i = 1, 64 do
    perilune.check(echo:m0(payloads[i]))
  end
  collectgarbage()
  collectgarbage()
  say('begin', 0)
  perilune.sleep(SETTLE_MS) -- the memory before is read now
  for i = 1, in_flight do
    perilune.spawn(function()
      local _, err = echo:hold(payloads[i % PAYLOADS + 1])
      failure = failure or err and tostring(err) or 'a held call was answered'
    end)
  end
  perilune.check(echo:m0(payloads[1]))
  say('held', in_flight)
  perilune.sleep(600000)
end

perilune.main(function()
  perilune.check(echo:m0('are you there'))
  local run = holding and hold or measure
  run(make_payloads())
  if failure then
    say('error', failure)
    return 1
  end
  return 0
end)
