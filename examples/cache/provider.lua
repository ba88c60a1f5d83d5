-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'
require 'filters'

local _, url, registry = ...
local asked = 0

perilune.export {
  interface = 'demo.Library',
  service = {
    price = function(_, book)
      asked = asked + 1
      perilune.sleep(20)
      return ('%s costs %d'):format(book.title, #book.title)
    end,
    greeting = function(ctx)
      return 'hello ' .. ctx.call.attachments.language
    end,
    asked = function()
      return asked
    end,
  },
  methods = {
    price = { cache = { ttl = 60000, capacity = 1000 } },
    -- What the result depends on belongs into the key.
    greeting = { cache = { ttl = 60000, key = 'language' } },
  },
  warmup = function(service) -- in each worker, before anybody can call
    assert(service.handlers.asked() == 0)
  end,
  registry = registry,
}
perilune.listen(url)
