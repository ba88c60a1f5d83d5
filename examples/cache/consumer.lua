-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'
require 'filters'

local library = perilune.refer { interface = 'demo.Library', registry = (...) }
local here = perilune.refer {
  interface = 'demo.Library',
  registry = (...),
  methods = { price = { cache = { store = 'three' } } },
}

perilune.main(function()
  -- Four at once, one is asked: the others wait for its answer.
  local futures = {}
  for i = 1, 4 do
    futures[i] = perilune.async(library):price { title = 'Moon' }
  end
  print(perilune.check(perilune.all(futures):await())[4], 'asked', library:asked())

  for _, language in ipairs { 'German', 'French' } do
    print(perilune.with(library, { attachments = { language = language } }):greeting())
  end

  for _ = 1, 3 do
    here:price { title = 'Sun' } -- answered here after the first
  end
  print('asked', library:asked())
  return 0
end)
