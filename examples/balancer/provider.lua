-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'

local name, share, url, registry = ...

perilune.export {
  interface = 'demo.Worker',
  service = {
    work = function(ctx, ms)
      perilune.sleep(ms)
      return name
    end,
  },
  weight = tonumber(share) * 100,
  meta = { name = name },
  registry = registry,
}
perilune.listen(url)
