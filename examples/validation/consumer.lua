-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'

local cinema = perilune.refer { interface = 'demo.Cinema', registry = (...) }

perilune.main(function()
  local function show(result, err)
    print(result or err)
  end
  show(cinema:book('Moon', {})) -- the provider fills in the default
  show(cinema:book('', { seats = 9, row = '12', snacks = { 'popcorn', 'fries' } }))
  show(cinema:rename('Moon', 'Moon'))
  show(cinema:rename('Moon', 'Luna'))
  return 0
end)
