-- SPDX-License-Identifier: MIT
-- Listeners hear of what changes: nodes, sessions, registries, and what a script publishes itself.
local perilune = require 'perilune'

local name, url, registry = ...

perilune.export {
  interface = 'demo.Shop',
  registry = registry,
  service = {
    order = function(_, what)
      -- Who listens does not keep the buyer waiting.
      perilune.publish('shop.ordered', { what = what })
      return name .. ' sends ' .. what
    end,
  },
}

perilune.on('shop.ordered', function(event)
  print(('%s was ordered in worker %d'):format(event.what, event.worker))
end)

-- What a listener throws is logged and keeps nobody from hearing the rest.
perilune.on('shop.*', function(event)
  assert(event.what ~= 'the moon', 'the moon is not for sale')
end)

perilune.listen(url)
