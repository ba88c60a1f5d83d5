-- SPDX-License-Identifier: MIT
-- Writes what happens into the log: `perilune.on('*', 'log')`, `perilune.on('node.*', { 'log', level =
-- 'warn' })`.
local perilune = require 'perilune'

return {
  name = 'log',
  schema = {
    level = {
      type = 'string',
      enum = { 'debug', 'info', 'warn', 'error' },
      default = 'info',
      help = 'of the lines in the log',
    },
  },
  new = function(conf)
    return function(event)
      local fields = {}
      for key, value in pairs(event) do
        if key ~= 'name' and key ~= 'time' then
          fields[key] = value
        end
      end
      perilune.log[conf.level](event.name, fields, 'EVENT')
    end
  end,
}
