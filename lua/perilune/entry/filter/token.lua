-- SPDX-License-Identifier: MIT
-- Lets only those call who know a token: presented with each call as the attachment `.token` (what
-- `perilune.refer { token = ... }` sends), or once with the session (`refer { auth = { 'token', ... } }`).
-- `ctx.identity` then names the token.
--
--   perilune.export { ..., token = 'secret' }
--   perilune.export { ..., token = { billing = 'secret 1', shop = 'secret 2' } }
local perilune = require 'perilune'
local tokens = require 'perilune.entry.token'

return {
  name = 'token',
  side = 'provider',
  schema = {
    token = { type = 'any', help = 'the token, or a table of name -> token' },
  },
  new = function(conf)
    local identify, message = tokens.identify(conf.token)
    if not identify then
      return nil, message
    end
    return function(ctx, call, next)
      -- A session counts only if somebody checked it: then it has an identity.
      if not (ctx.authenticated and ctx.identity) then
        local attachments = call.attachments
        local identity = identify(attachments['.token'])
        if not identity then
          return nil,
            perilune.error(
              'UNAUTHENTICATED',
              'the service wants a token: perilune.refer { token = ... }'
            )
        end
        ctx.identity = identity
        attachments['.token'] = nil
      end
      return next(ctx, call)
    end
  end,
}
