-- SPDX-License-Identifier: MIT
-- A Lua client of a provider in Java.
local perilune = require 'perilune'

local booking = perilune.refer {
  interface = require 'booking',
  alias = 'java',
  url = (...),
  timeout = 5000,
}

perilune.main(function()
  print(('Lua to Java: %d seat'):format(perilune.check(booking:seats(9))))
  local ticket = perilune.check(booking:book({ name = 'Eve', age = 12 }, 9))
  local class = perilune.class_of(ticket)
  print(
    ('Lua to Java: %s pays %s for train %d (%s)'):format(
      ticket.who.name,
      ticket.price.value,
      ticket.train,
      class
    )
  )
  local _, err = booking:book({ name = 'Zoe', age = 70 }, 9)
  print(('Lua to Java: %s, %s (%d)'):format(err.class, err.message, err.details.train))
end)
