-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'

local version, region, url, registry = ...

perilune.export {
  interface = 'demo.Shop',
  service = {
    buy = function(ctx, order)
      return version .. ' in ' .. region
    end,
  },
  meta = { version = version, region = region },
  registry = registry,
}
perilune.listen(url)
