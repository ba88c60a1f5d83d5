-- SPDX-License-Identifier: MIT
-- A method that computes, in a thread of its own: the worker answers other calls meanwhile.
local perilune = require 'perilune'

local _, url, registry = ...

-- An executor says where handlers run: in the worker, as without one, or in the process's pool. `pool` is
-- there already; this one has a setting. Must not wait.
perilune.executor {
  name = 'heavy',
  schema = { light = { type = 'boolean', default = false } },
  new = function(conf)
    return { where = conf.light and 'worker' or 'pool' }
  end,
}

perilune.export {
  interface = 'demo.Sky',
  service = {
    -- Counts until ten calls of `glance` were answered beside it.
    count_stars = function(ctx)
      local stars = 0
      while (perilune.shared.get 'glances' or 0) < 10 do
        stars = stars + 1
        if stars % 1000 == 0 and ctx:cancelled() then
          return nil, perilune.error('ABORTED', 'counted ' .. stars .. ' stars for nobody')
        end
      end
      return 'more than ten'
    end,
    glance = function()
      return perilune.shared.incr 'glances'
    end,
  },
  methods = { count_stars = { executor = 'heavy', timeout = 20000 } },
  registry = registry,
}
perilune.listen(url)
