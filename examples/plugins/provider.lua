-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'
require 'plugins'

local alias, url, registry = ...

perilune.export {
  interface = 'demo.Echo',
  alias = alias,
  service = {
    say = function(ctx, text)
      return ('%s says %s'):format(ctx.identity, text)
    end,
    again = function()
      return nil, perilune.error('UNAVAILABLE', alias .. ' is tired')
    end,
  },
  auth = 'word',
  registry = registry,
}
perilune.export {
  interface = 'demo.Words',
  service = {
    turn = function(_, one, other)
      return { other, one }
    end,
  },
  registry = registry,
}
perilune.listen(url)
