-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'
require 'balancers'

local registry = ...

local function worker(loadbalance)
  return perilune.refer {
    interface = 'demo.Worker',
    registry = registry,
    loadbalance = loadbalance,
  }
end

-- Who answered how often?
local function count(futures)
  local counts = {}
  for _, name in ipairs(perilune.check(perilune.all(futures):await())) do
    counts[name] = (counts[name] or 0) + 1
  end
  return ('small %d, large %d'):format(counts.small or 0, counts.large or 0)
end

-- Calls until both nodes have answered.
local function warm_up(proxy)
  local seen = {}
  while not (seen.small and seen.large) do
    seen[perilune.check(proxy:work(0))] = true
    perilune.sleep(1)
  end
end

local fewest, fair = worker 'fewest', worker 'fair_share'

perilune.main(function()
  warm_up(fewest)
  local futures = {}
  for i = 1, 40 do
    futures[i] = perilune.async(fewest):work(20)
  end
  print('fewest in flight:', count(futures))

  warm_up(fair)
  futures = {}
  for i = 1, 40 do
    futures[i] = perilune.async(fair):work(0)
  end
  print('by fair share:', count(futures))
  return 0
end)
