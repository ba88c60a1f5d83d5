-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'

local name, region, url, registry = ...

perilune.export {
  interface = 'demo.Map',
  service = {
    where = function(ctx)
      return ('%s in %s'):format(name, region)
    end,
  },
  meta = { name = name, region = region },
  registry = registry,
}
perilune.listen(url)
