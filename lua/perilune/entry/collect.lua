-- SPDX-License-Identifier: MIT
-- Arguments that are kept by position and slot, as the table that filters see. The functions are generated,
-- so that each makes its table at the right size at once.

-- Gives by count a function(slot) that returns the table; its `n` is set always, or where a nil is in it.
---@param values table[]  values[position][slot]
---@param numbered boolean  n is set always
---@return table<integer, fun(slot: integer): table>
return function(values, numbered)
  local tail = numbered and 'return { %s n = COUNT }'
    or 'local args = { %s } if #args ~= COUNT then args.n = COUNT end return args'
  return setmetatable({}, {
    __index = function(self, count)
      local lists, items = {}, {}
      for i = 1, count do
        lists[i], items[i] = ('local v%d = values[%d]'):format(i, i), ('v%d[slot],'):format(i)
      end
      local body = tail:gsub('COUNT', count):format(table.concat(items, ' '))
      local text = 'local values = ... %s return function(slot) %s end'
      local chunk = assert(loadstring(text:format(table.concat(lists, ' '), body), '=arguments'))
      self[count] = chunk(values)
      return self[count]
    end,
  })
end
