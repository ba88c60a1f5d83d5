-- SPDX-License-Identifier: MIT
-- Lets only calls of sessions that authenticated pass: what `perilune.export { auth = ... }` puts into
-- the chain, because a session that never tried to authenticate can call, too.
local perilune = require 'perilune'

return {
  name = 'auth',
  side = 'provider',
  new = function()
    return function(ctx, call, next)
      -- A session counts only if somebody checked it: then it has an identity.
      if not (ctx.authenticated and ctx.identity) then
        return nil,
          perilune.error(
            'UNAUTHENTICATED',
            'the service wants an authenticated session: perilune.refer { auth = ... }'
          )
      end
      return next(ctx, call)
    end
  end,
}
