-- SPDX-License-Identifier: MIT
-- The service in Lua, as any Java consumer of JoyRPC calls it.
local perilune = require 'perilune'

local free = 1

perilune.export {
  interface = require 'booking',
  alias = 'lua',
  service = {
    seats = function()
      return free
    end,
    book = function(_, who, train)
      if free == 0 then
        local text = ('train %d is full'):format(train)
        local sold_out = perilune.java.exception('demo.SoldOut', text, { train = train })
        return nil, perilune.error('PRECONDITION', text, sold_out)
      end
      free = free - 1
      return { who = who, train = train, price = who.age < 16 and '6.25' or '12.50' }
    end,
  },
}
perilune.listen(...)
