-- SPDX-License-Identifier: MIT
-- The proven identity, else the address: everybody is somebody. For counting calls per caller.
local address = require 'perilune.address'

return {
  name = 'caller',
  new = function()
    return function(ctx)
      local identity = ctx.identity
      if identity then
        return identity
      end
      local peer = ctx.peer
      return peer and (address.of_peer(peer) or peer) or 'here'
    end
  end,
}
