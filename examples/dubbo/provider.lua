-- SPDX-License-Identifier: MIT
-- The service in Lua, as any Java consumer of Dubbo calls it.
local perilune = require 'perilune'

perilune.export {
  interface = require 'prices',
  alias = 'lua',
  service = {
    price = function(_, symbol)
      if symbol ~= 'MOON' then
        local text = 'nobody sells ' .. symbol
        local unknown = perilune.java.exception('demo.UnknownSymbol', text, { symbol = symbol })
        return nil, perilune.error('NOT_FOUND', text, unknown)
      end
      return { symbol = symbol, price = 1.5, volume = 2 ^ 40 }
    end,
    watch = function(_, symbol, count, listener)
      local wanted = 0
      for i = 1, count do
        wanted = wanted + (perilune.check(listener(symbol, i + 0.25)) and 1 or 0)
      end
      return wanted
    end,
  },
}
perilune.listen(...)
