-- SPDX-License-Identifier: MIT
-- Only some things count: '1' is the first argument, '2.user.id' a field of the second, '@colour' an
-- attachment, 'identity' who calls. A result that depends on the caller needs 'identity' in its key.
--
--   cache = { ttl = 1000, key = { 'fields', of = { '1.id', 'identity' } } }
local keys = require 'perilune.entry.key'

local function argument(first, path)
  local names = {}
  for name in path:gmatch '[^.]+' do
    names[#names + 1] = tonumber(name) or name
  end
  return function(_, call)
    local value = call.args[first]
    for i = 1, #names do
      if type(value) ~= 'table' then
        return nil
      end
      value = value[names[i]]
    end
    return value
  end
end

local function reader_of(field)
  if field == 'identity' then
    return function(ctx)
      return ctx.identity
    end
  end
  local attachment = field:match '^@(.+)$'
  if attachment then
    return function(_, call)
      return call.attachments[attachment]
    end
  end
  local first, path = field:match '^(%d+)(.*)$'
  if first and tonumber(first) > 0 and (path == '' or path:match '^%.[^.]') then
    return argument(tonumber(first), path)
  end
end

return {
  name = 'fields',
  schema = {
    of = {
      type = 'list',
      required = true,
      min = 1,
      items = { type = 'string' },
      help = "such as '1.id', '@language', 'identity'",
    },
  },
  new = function(conf)
    local readers = {}
    for i, field in ipairs(conf.of) do
      readers[i] = reader_of(field)
      if not readers[i] then
        return nil, ("of[%d]: '%s' is none of 1, 2.name, @attachment, identity"):format(i, field)
      end
    end
    return function(ctx, call)
      local values = {}
      for i = 1, #readers do
        values[i] = readers[i](ctx, call)
      end
      return keys.of(call.method, values, #readers)
    end
  end,
}
