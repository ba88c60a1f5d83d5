-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'

local registry = ...
local sky = perilune.refer { interface = 'demo.Sky', registry = registry, timeout = 20000 }

perilune.main(function()
  local stars = perilune.async(sky):count_stars()
  for glance = 1, 10 do
    assert(perilune.check(sky:glance()) == glance)
  end
  print('10 glances while it counts')
  print('stars:', perilune.check(stars:await()))
  return 0
end)
