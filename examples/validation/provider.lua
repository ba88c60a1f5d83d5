-- SPDX-License-Identifier: MIT
-- Rules stand beside the method they are for. A wrong rule is an error when this file loads.
local perilune = require 'perilune'
require 'filters' -- beside this file

local _, url, registry = ...

perilune.export {
  interface = 'demo.Cinema',
  service = {
    book = function(_, film, order)
      return ('%d seats for %s'):format(order.seats, film)
    end,
    rename = function(_, old, new)
      return ('%s is now called %s'):format(old, new)
    end,
  },
  methods = {
    book = {
      validation = {
        { type = 'string', min = 1, max = 40 },
        {
          type = 'table',
          fields = {
            seats = { type = 'integer', min = 1, max = 8, default = 1 },
            row = { type = 'string', pattern = '^[A-Z]$', optional = true },
            snacks = {
              type = 'list',
              max = 3,
              optional = true,
              items = { type = 'string', enum = { 'popcorn', 'nachos' } },
            },
          },
        },
      },
    },
    rename = { validation = 'different' }, -- a validator of our own
  },
  registry = registry,
}
perilune.listen(url)
