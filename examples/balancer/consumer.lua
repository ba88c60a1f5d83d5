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

local fewest, fair = worker 'fewest', worker 'fair_share'

perilune.main(function()
  perilune.check(perilune.ready(fewest, 5000, 2))
  local futures = {}
  for i = 1, 40 do
    futures[i] = perilune.async(fewest):work(20)
  end
  print('fewest in flight:', count(futures))

  perilune.check(perilune.ready(fair, 5000, 2))
  futures = {}
  for i = 1, 40 do
    futures[i] = perilune.async(fair):work(0)
  end
  print('by fair share:', count(futures))
  return 0
end)
