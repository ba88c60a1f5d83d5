-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'
require 'filters' -- beside this file

local name, url, registry = ...

perilune.export {
  interface = 'demo.Parrot',
  service = {
    say = function(ctx, words)
      return ('%s says %s to %s'):format(name, words, ctx.state.user)
    end,
  },
  filters = { 'shout', { 'quota', limit = 2 } }, -- quota wants to stand before shout, and does
  registry = registry,
}
perilune.listen(url)
