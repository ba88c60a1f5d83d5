-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'

local shop = perilune.refer { interface = 'demo.Shop', registry = (...) }

perilune.on('node.state', function(event)
  print(('node of %s: %s -> %s'):format(event.interface, event.from, event.to))
end)
perilune.on('session.opened', function(event)
  print(('a session with %s'):format(event.interface))
end)

perilune.main(function()
  for _, what in ipairs { 'a star', 'the moon', 'a comet' } do
    print(perilune.check(shop:order(what)))
  end
  return 0
end)
