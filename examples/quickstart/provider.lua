-- SPDX-License-Identifier: MIT
-- A provider of demo.Greeter:
--
--   perilune run examples/quickstart/provider.lua [-- NAME VERSION URL REGISTRY]
--   perilune call joyrpc://127.0.0.1:22000 demo.Greeter.hello '["moon"]' --alias prod
local perilune = require 'perilune'

local name, version, url, registry = ...
name, version = name or 'north', version or 'v1'

perilune.export {
  interface = 'demo.Greeter',
  alias = 'prod',
  service = {
    hello = function(ctx, who)
      return ('hello %s, says %s'):format(who, name)
    end,
    slow = function(ctx, ms)
      perilune.sleep(ms) -- waits without keeping anybody else waiting
      return ('%s slept %d ms'):format(name, ms)
    end,
    fail = function(ctx)
      return nil, perilune.error('NOT_FOUND', name .. ' knows no such greeting')
    end,
  },
  meta = { name = name, version = version }, -- what selectors see as node.meta
  registry = registry, -- where consumers find us; nil = by address only
}

perilune.listen(url or 'tcp://127.0.0.1:22000')
