-- SPDX-License-Identifier: MIT
-- What choosing costs: BENCH_NODES nodes, each an address of its own on loopback that leads to the
-- one server of BENCH_URL, all of them connected. A router chooses by an index and with p2c, a
-- hundred times for each call, and sends nothing. Prints `begin COUNT` and `end COUNT` of choices
-- at the two ends of the timed window.

local perilune = require 'perilune'

local count = tonumber(os.getenv 'BENCH_NODES') or 10
local port = os.getenv('BENCH_URL'):match ':(%d+)$'
local warm_ms = tonumber(os.getenv 'BENCH_WARM_MS') or 500
local window_ms = tonumber(os.getenv 'BENCH_WINDOW_MS') or 2000

local GROUPS = 5
local PER_CALL = 100

local function addresses()
  local list = {}
  for i = 1, count do
    local high, low = math.floor(i / 250), i % 250 + 1
    list[i] = ('joyrpc://127.1.%d.%d:%s?version=v%d'):format(high, low, port, i % GROUPS)
  end
  return list
end

local chosen, failure = 0, nil

local function version_of(node)
  return node.meta.version
end

perilune.router('choose_only', function(ctx, call, nodes)
  for _ = 1, PER_CALL do
    local node = nodes:where(version_of, 'v1'):pick(ctx, call)
    if not node then
      return nil, perilune.error('NO_NODE', 'nothing to choose from')
    end
  end
  chosen = chosen + PER_CALL
  return #nodes
end)

local echo = perilune.refer {
  interface = 'bench.Echo',
  alias = 'bench',
  url = addresses(),
  candidate = 'all',
  connections = count,
  router = 'choose_only',
  loadbalance = 'p2c',
  timeout = 60000,
}

local function say(...)
  io.stdout:write(table.concat({ ... }, ' '), '\n')
  io.stdout:flush()
end

-- A turn now and then lets the timers below run.
local function choose()
  while not failure do
    for _ = 1, 50 do
      local _, err = echo:m0 'nothing'
      failure = failure or err and tostring(err)
    end
    perilune.sleep(0)
  end
end

local function await_nodes()
  for _ = 1, 600 do
    if perilune.check(echo:m0 'nothing') >= count then
      return true
    end
    perilune.sleep(100)
  end
end

perilune.main(function()
  if not await_nodes() then
    say('error', 'not all nodes were connected within a minute')
    return 1
  end
  perilune.spawn(choose)
  perilune.sleep(warm_ms)
  say('begin', chosen)
  perilune.sleep(window_ms)
  say('end', chosen)
  local trouble = failure
  failure = failure or 'over'
  if trouble then
    say('error', trouble)
    return 1
  end
  return 0
end)
