-- SPDX-License-Identifier: MIT
-- Calls go to the nodes that registered the value of an argument: shards, tenants. Calls without it
-- go to all.
--   selectors = { { 'argument', of = 'arg.1.tenant', by = 'tenant' } }
local policy = require 'perilune.policy'

return {
  name = 'argument',
  schema = {
    of = { type = 'any', default = 'arg.1', help = "'arg.1.field' or function(ctx, call)" },
    by = { type = 'string', required = true, help = 'meta field of the node' },
    map = { type = 'table', help = 'value of the argument -> value of the field' },
    default = { type = 'string', help = 'for values that map has not' },
    otherwise = {
      enum = { 'none', 'all', 'error' },
      default = 'none',
      help = 'when no node has the value',
    },
  },
  new = function(conf)
    local value_of, message = policy.value(conf.of)
    if not value_of then
      return nil, 'of: ' .. message
    end
    return {
      by = conf.by,
      want = function(ctx, call)
        local value = value_of(ctx, call)
        if value ~= nil and conf.map then
          value = conf.map[value] or conf.map[policy.text(value)]
        end
        return value == nil and conf.default or value
      end,
      otherwise = conf.otherwise,
    }
  end,
}
