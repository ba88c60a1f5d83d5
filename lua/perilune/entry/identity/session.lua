-- SPDX-License-Identifier: MIT
-- Who a token, a signature or the session's authentication proved the caller to be; nil when nothing did.
return {
  name = 'session',
  new = function()
    return function(ctx)
      return ctx.identity
    end
  end,
}
