-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'

local name, ms, url, registry = ...
ms = tonumber(ms)

perilune.export {
  interface = 'demo.Cache',
  service = {
    get = function(ctx, key)
      if ms == 0 then
        return nil, perilune.error('UNAVAILABLE', name .. ' has no disk')
      end
      perilune.sleep(ms)
      return ('%s of %s'):format(key, name)
    end,
    drop = function(ctx, key)
      return ms > 0 and name .. ' dropped ' .. key or nil
    end,
  },
  meta = { name = name },
  registry = registry,
}
perilune.listen(url)
