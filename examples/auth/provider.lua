-- SPDX-License-Identifier: MIT
-- Calls are signed, rules say who may call what. Secrets come from files or the environment, not from the
-- script; this one is an example.
local perilune = require 'perilune'

local _, url, registry = ...

perilune.export {
  interface = 'demo.Vault',
  service = {
    look = function(ctx)
      return ctx.identity .. ' looks'
    end,
    take = function(ctx, what)
      return ('%s takes %s'):format(ctx.identity, what)
    end,
  },
  signature = { keys = { guard = 'the secret of the guard', owner = 'the secret of the owner' } },
  authorization = {
    { identity = 'owner' },
    { identity = 'guard', method = 'look*' },
  },
  method_list = { deny = { '_*' } },
  ip = { '127.0.0.0/8', '::1' },
  registry = registry,
}
perilune.listen(url)
