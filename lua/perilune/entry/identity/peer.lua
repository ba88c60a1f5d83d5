-- SPDX-License-Identifier: MIT
-- The address a call comes from, without its port.
local address = require 'perilune.address'

return {
  name = 'peer',
  new = function()
    return function(ctx)
      local peer = ctx.peer
      return peer and (address.of_peer(peer) or peer) or nil
    end
  end,
}
