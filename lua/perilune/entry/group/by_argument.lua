-- SPDX-License-Identifier: MIT
-- The alias is what the attachment `by` says, else what an argument says; `map` turns values into
-- aliases, '*' in it is for the rest; without it the value is the alias. A call that says nothing goes to
-- any of them.
--
--   group = { 'by_argument', argument = 2, map = { de = 'eu', fr = 'eu', ['*'] = 'us' } }
--   group = { 'by_argument', argument = 1, field = 'region' }
local null = require('perilune.policy').null
local text_of = require 'perilune.text'

return {
  name = 'by_argument',
  schema = {
    argument = {
      type = 'integer',
      min = 1,
      default = 1,
      help = 'number of the argument that says it',
    },
    field = { type = 'string', help = 'field of the argument, when that is a table' },
    by = { type = 'string', default = '.dstParam', help = 'attachment that says it, too' },
    map = { type = 'table', help = "value, or 'method:value', to alias" },
  },
  new = function(conf)
    local argument, field, by, map = conf.argument, conf.field, conf.by, conf.map
    return function(_, call)
      local value = call.attachments[by]
      if value == nil then
        value = call.args[argument]
        if field and type(value) == 'table' then
          value = value[field]
        end
      end
      if value == nil or value == null then
        return nil
      end
      value = text_of(value)
      if not map then
        return value
      end
      return map[call.method .. ':' .. value] or map[value] or map['*'] or value
    end
  end,
}
