-- SPDX-License-Identifier: MIT
-- Declared Java types as LuaCATS has them, for `perilune types`.
local M = {}

local DEPTH = 3 -- of classes in classes

local SCALARS = {}
for lua, names in pairs {
  integer = 'byte short int long Byte Short Integer Long',
  number = 'float double Float Double Number',
  boolean = 'boolean Boolean',
  string = 'char Character String CharSequence',
} do
  for name in names:gmatch '%a+' do
    SCALARS[name], SCALARS['java.lang.' .. name] = lua, lua
  end
end

-- By what perilune.java makes: what may be given, and what comes.
local BOXES = {
  bytes = { 'string', 'perilune.Bytes' },
  date = { 'number', 'perilune.Boxed' },
  decimal = { 'string|number', 'perilune.Boxed' },
  bigint = { 'string|number', 'perilune.Boxed' },
}

local text_of

local function listed(text)
  return (text:find('|', 1, true) and '(%s)[]' or '%s[]'):format(text)
end

local function object(kind, came, depth)
  local parts = {}
  for name, field in pairs(depth < DEPTH and kind.fields() or {}) do
    parts[#parts + 1] = ('%s%s: %s'):format(
      name,
      field.primitive and came and '' or '?',
      text_of(field, came, depth + 1)
    )
  end
  table.sort(parts)
  return #parts > 0 and '{' .. table.concat(parts, ', ') .. '}' or 'table'
end

local COMPOUND = {
  list = function(kind, came, depth)
    return listed(text_of(kind.element, came, depth))
  end,
  map = function(kind, came, depth)
    local keys = kind.keys and text_of(kind.keys, came, depth) or 'any'
    return ('table<%s, %s>'):format(keys, text_of(kind.values, came, depth))
  end,
  enum = function(kind, came)
    local names = {}
    for i, name in ipairs(kind.constants or {}) do
      names[i] = ("'%s'"):format(name)
    end
    local text = #names > 0 and table.concat(names, '|') or 'string'
    return came and ('{name: %s}'):format(text) or text
  end,
  object = object,
}

function text_of(kind, came, depth)
  if not kind then
    return 'any'
  elseif SCALARS[kind.name] then
    return SCALARS[kind.name]
  elseif kind.kind and COMPOUND[kind.kind] then
    return COMPOUND[kind.kind](kind, came, depth)
  end
  local box = BOXES[kind.kind]
  return box and box[came and 2 or 1] or kind.callback and 'function' or 'any'
end

---@param kind perilune.java.Type?
---@param came boolean  the value came, and is not given
---@return string
function M.text(kind, came)
  return text_of(kind, came, 0)
end

return M
