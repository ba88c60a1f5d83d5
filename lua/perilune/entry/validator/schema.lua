-- SPDX-License-Identifier: MIT
-- Checks arguments against rules, one for each (see perilune/entry/rules.lua).
local rules = require 'perilune.entry.rules'

return {
  name = 'schema',
  schema = {
    args = { type = 'list', required = true, help = 'the rule of each argument, in order' },
    most = { type = 'integer', min = 1, max = 1000, default = 32, help = 'failures that are told' },
  },
  new = function(conf)
    return rules.compile(conf.args, 'args', { list = true, most = conf.most })
  end,
}
