-- SPDX-License-Identifier: MIT
-- Equal arguments, equal key: all of them count, whatever the order of a table's fields.
local keys = require 'perilune.entry.key'

return {
  name = 'arguments',
  new = function()
    return function(_, call)
      local args = call.args
      local n = args.n or #args
      if n == 1 and type(args[1]) == 'string' then
        return call.method .. '\0s' .. args[1]
      end
      return keys.of(call.method, args, n)
    end
  end,
}
