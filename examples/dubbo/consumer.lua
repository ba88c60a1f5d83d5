-- SPDX-License-Identifier: MIT
-- A Lua client of a provider in Java.
local perilune = require 'perilune'

local prices = perilune.refer {
  interface = require 'prices',
  alias = 'java',
  url = (...),
  timeout = 5000,
}

perilune.main(function()
  local quote = perilune.check(prices:price 'MOON')
  print(('Lua to Java: %s costs %g, %d sold'):format(quote.symbol, quote.price, quote.volume))
  local _, err = prices:price 'MARS'
  print(('Lua to Java: %s, %s (%s)'):format(err.class, err.message, err.details.symbol))
  local wanted = perilune.check(prices:watch('MOON', 3, function(_, symbol, price)
    print(('Java calls back: %s costs %g'):format(symbol, price))
    return price > 2
  end))
  print(('Lua to Java: %d of 3 were wanted'):format(wanted))
end)
