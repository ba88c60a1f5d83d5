-- SPDX-License-Identifier: MIT
-- Values that came in JSON, where Java's types are known only from the declaration: binary data is
-- base64 text there, an enum's constant its name, a Date a number, a moment of java.time a text, every
-- key of a map a string. What comes out is what other serializations would have brought.
local core = require 'perilune.core'
local java = require 'perilune.protocol.java'
local java_time = require 'perilune.protocol.java_time'

local null = core.null

local M = {}

local INTEGERS = { int = true, long = true, short = true, byte = true }
for name in ('Integer Long Short Byte'):gmatch '%a+' do
  INTEGERS['java.lang.' .. name] = true
end

local from

-- The element types of a type, where something has to be done with them.
local function matters(kind)
  if not kind then
    return false
  elseif kind.matters == nil then
    kind.matters = false -- a class may contain itself, and then has other reasons
    local what = kind.kind
    if what == 'list' then
      kind.matters = matters(kind.element)
    elseif what == 'map' then
      kind.matters = kind.keys ~= nil and INTEGERS[kind.keys.name] or matters(kind.values)
    else
      kind.matters = what ~= nil
    end
  end
  return kind.matters
end

local function attempt(make, value)
  local ok, made = pcall(make, value)
  return ok and made or value -- the check says what is wrong with it
end

local CONVERT = {
  bytes = function(_, value)
    return type(value) == 'string' and core.base64_decode(value) or value
  end,
  decimal = function(_, value)
    return type(value) == 'table' and value or attempt(java.decimal, value)
  end,
  bigint = function(_, value)
    return type(value) == 'table' and value or attempt(java.bigint, value)
  end,
  date = function(_, value)
    return type(value) == 'number' and attempt(java.date, value) or value
  end,
  moment = function(kind, value)
    return type(value) == 'string' and java_time.parse(kind.name, value) or value
  end,
  -- More digits than a double has.
  real = function(_, value)
    return core.class_of(value) and tonumber(rawget(value, 1)) or value
  end,
  enum = function(kind, value)
    return type(value) == 'string' and java.enum(kind.name, value) or value
  end,
  list = function(kind, value)
    for i = 1, type(value) == 'table' and #value or 0 do
      value[i] = from(kind.element, value[i])
    end
    return value
  end,
  map = function(kind, value)
    if type(value) ~= 'table' then
      return value
    end
    local copy = {}
    local number = kind.keys and INTEGERS[kind.keys.name]
    for key, content in pairs(value) do
      copy[number and tonumber(key) or key] = from(kind.values, content)
    end
    return copy
  end,
  object = function(kind, value)
    if type(value) ~= 'table' or core.class_of(value) then
      return value
    end
    local fields = kind.fields()
    if type(value.class) == 'string' and not fields.class then
      value.class = nil -- so Dubbo's generic consumers name it
    end
    for field, content in pairs(value) do
      value[field] = from(fields[field], content)
    end
    return core.typed(kind.name, value)
  end,
}

function from(kind, value)
  if value == nil or value == null or not matters(kind) then
    return value
  end
  return CONVERT[kind.kind](kind, value)
end

-- Whether values of this type look different in JSON.
---@param kind perilune.java.Type
---@return boolean
function M.matters(kind)
  return matters(kind)
end

-- The value that came in JSON as one of its declared type. Tables are changed in place.
---@param kind perilune.java.Type
---@param value any
---@return any
function M.from(kind, value)
  return from(kind, value)
end

return M
