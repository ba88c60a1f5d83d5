-- SPDX-License-Identifier: MIT
-- The script inside embed.c: serves, and is called by the program around it.
local perilune = require 'perilune'

local address = ...

perilune.export {
  interface = 'demo.Greeter',
  registry = 'memory://embed',
  service = {
    hello = function(ctx, name)
      return 'hello ' .. name
    end,
  },
}
perilune.listen(address)

local greeter = perilune.refer { interface = 'demo.Greeter', registry = 'memory://embed' }

perilune.expose('greet', function(name)
  return 'good evening, ' .. name
end)

perilune.expose('ask', function(name)
  return greeter:hello(name)
end)
