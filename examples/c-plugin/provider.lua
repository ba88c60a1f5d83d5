-- SPDX-License-Identifier: MIT
-- Loads the plugin, so that consumers may ask for it.
local perilune = require 'perilune'

local address, folder = ...

perilune.compression 'brotli'

perilune.export {
  interface = 'demo.Library',
  registry = folder,
  service = {
    read = function(ctx, title)
      return ('once upon a time there was %s. '):format(title):rep(1000)
    end,
  },
}
perilune.listen(address)
