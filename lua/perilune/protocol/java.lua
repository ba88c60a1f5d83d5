-- SPDX-License-Identifier: MIT
-- `perilune.java`: values of types that Java tells apart and Lua does not, for serializers that
-- carry types (hessian2). Others carry what is inside. Each function refuses what the type cannot
-- hold, so that the mistake is found where the value is made.

local core = require 'perilune.core'

local box, mark = core.box, core.mark

---@class perilune.java
local M = {}

local function wrong(what, value)
  error(('java.%s: %s'):format(what, tostring(value)), 3)
end

local function integer(what, bits)
  local limit = 2 ^ (bits - 1)
  return function(value)
    if type(value) ~= 'number' or value % 1 ~= 0 or value < -limit or value >= limit then
      wrong(what, ('%s is no integer of %d bits'):format(tostring(value), bits))
    end
    return box(what, value)
  end
end

---@type fun(value: integer): perilune.Boxed
M.int = integer('int', 32)
---@type fun(value: integer): perilune.Boxed
M.short = integer('short', 16)
---@type fun(value: integer): perilune.Boxed
M.byte = integer('byte', 8)

-- The digits of an integer as an int64, nil when it has more than one can hold.
local function parse_long(text)
  local sign, digits = text:match '^([-+]?)0*(%d+)$'
  if not digits or #digits > 19 then
    return nil
  end
  local value = 0LL
  for digit in digits:gmatch '%d' do
    value = value * 10 - tonumber(digit) -- negative numbers reach one further
    if value > 0 then
      return nil
    end
  end
  if sign == '-' then
    return value
  end
  return value ~= -value and -value or value == 0 and value or nil
end

---A 64-bit integer: a whole number, an int64, or digits.
---@param value number|string|ffi.cdata*
---@return perilune.Boxed
function M.long(value)
  local long = type(value) == 'string' and parse_long(value) or value
  local kind = type(long)
  if kind == 'number' then
    if long % 1 ~= 0 or math.abs(long) > 2 ^ 53 then
      wrong('long', ('%s is no integer up to 2^53; pass an int64 or its digits'):format(value))
    end
  elseif kind ~= 'cdata' then
    wrong('long', ('%s is no integer of 64 bits'):format(tostring(value)))
  end
  return box('long', long)
end

local function real(what)
  return function(value)
    if type(value) ~= 'number' then
      wrong(what, ('a %s is no number'):format(type(value)))
    end
    return box(what, value)
  end
end

---@type fun(value: number): perilune.Boxed
M.double = real 'double'
---@type fun(value: number): perilune.Boxed
M.float = real 'float'

---@param value string  one character below U+10000
---@return perilune.Boxed
function M.char(value)
  if type(value) ~= 'string' or not value:match '^[%z\1-\239][\128-\191]*$' or #value > 3 then
    wrong('char', ('%s is not one character'):format(tostring(value)))
  end
  return box('char', value)
end

---A moment.
---@param ms number  milliseconds since 1970, UTC
---@return perilune.Boxed
function M.date(ms)
  if type(ms) ~= 'number' or ms ~= ms or math.abs(ms) > 2 ^ 53 then
    wrong('date', ('%s is no count of milliseconds'):format(tostring(ms)))
  end
  return box('date', ms < 0 and math.ceil(ms) or math.floor(ms))
end

---A BigDecimal.
---@param value string|number  digits, kept as they are
---@return perilune.Boxed
function M.decimal(value)
  local text = type(value) == 'number' and ('%.17g'):format(value) or value
  if type(value) == 'number' and tonumber(tostring(value)) == value then
    text = tostring(value)
  end
  local mantissa = type(text) == 'string' and text:match '^[-+]?([%d.]+)$'
    or type(text) == 'string' and text:match '^[-+]?([%d.]+)[eE][-+]?%d+$'
  if not mantissa or not mantissa:match '^%d*%.?%d*$' or not mantissa:match '%d' then
    wrong('decimal', ('%s is no decimal number'):format(tostring(value)))
  end
  return box('decimal', text)
end

---A BigInteger.
---@param value string|number|ffi.cdata*  digits, a whole number, an int64 or uint64
---@return perilune.Boxed
function M.bigint(value)
  local text = value
  if type(value) == 'number' and value % 1 == 0 then
    text = ('%.0f'):format(value)
  elseif type(value) == 'cdata' then
    text = tostring(value):match '^-?%d+'
  end
  if type(text) ~= 'string' or not text:match '^[-+]?%d+$' then
    wrong('bigint', ('%s is no integer'):format(tostring(value)))
  end
  return box('bigint', text)
end

local enums = {}

---A constant of an enum.
---@param class string
---@param name string
---@return { name: string }
function M.enum(class, name)
  if not enums[class] then
    core.declare_enum(class)
    enums[class] = true
  end
  return core.typed(class, { name = name })
end

---A map of a class, with keys of any type; maps of java.util need no more than perilune.typed.
---@generic T: table
---@param class string
---@param content T
---@return T
function M.map(class, content)
  return mark('map', class, content)
end

---A map whose entries keep their order: a list of pairs { key, value }.
---@generic T: table
---@param pairs_in_order T
---@param class? string  default java.util.LinkedHashMap
---@return T
function M.entries(pairs_in_order, class)
  return mark('entries', class or 'java.util.LinkedHashMap', pairs_in_order)
end

---A list of a class, or an array: `java.list('[int', { 1, 2 })`.
---@generic T: table
---@param class string  a collection's name, or '[' and the name of the elements' type
---@param items T
---@return T
function M.list(class, items)
  return mark('list', class, items)
end

---An exception, as Java peers expect it.
---@param class string
---@param message string?
---@param fields table?  its other fields, `cause` among them
---@return table
function M.exception(class, message, fields)
  fields = fields or {}
  fields.detailMessage = message
  return core.typed(class, fields)
end

return M
