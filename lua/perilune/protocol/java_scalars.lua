-- SPDX-License-Identifier: MIT
-- Java's primitives, their boxes, text, numbers and moments: what each wants of a Lua value, for
-- java_types.
local arrived = require 'perilune.protocol.java_arrived'
local core = require 'perilune.core'
local java = require 'perilune.protocol.java'
local java_time = require 'perilune.protocol.java_time'

local class_of, null = core.class_of, core.null
local wants = arrived.wants

local M = {}

-- A constructor of perilune.java that tells what is wrong instead of raising it.
local function constructor(name, make)
  return function(value)
    local ok, made = pcall(make, value)
    if ok then
      return made
    end
    return nil, wants(name, value)
  end
end

local function plain(kind)
  return function(name)
    local function check(value)
      if type(value) ~= kind then
        return wants(name, value)
      end
    end
    return {
      check = check,
      to = function(value)
        local wrong = check(value)
        if wrong then
          return nil, wrong
        end
        return value
      end,
    }
  end
end

-- The classes of boxes that a type takes; where Java wants a number, other numbers do.
local INTEGERS = { ['java.math.BigInteger'] = true }
for name in ('Byte Short Integer Long'):gmatch '%a+' do
  INTEGERS['java.lang.' .. name] = true
end
local REALS = { ['java.lang.Float'] = true, ['java.lang.Double'] = true }
REALS['java.math.BigDecimal'] = true
for name in pairs(INTEGERS) do
  REALS[name] = true
end
local BOXED = {
  float = REALS,
  double = REALS,
  decimal = REALS,
  bigint = INTEGERS,
  char = { ['java.lang.Character'] = true },
  date = { ['java.util.Date'] = true },
}
for name in ('Timestamp Date Time'):gmatch '%a+' do
  BOXED.date['java.sql.' .. name] = true
end

-- Integers that came may be numbers, boxes, or int64 beyond 2^53.
local function integer(what, bits, boxed)
  return function(name)
    local make, limit = constructor(name, java[what]), 2 ^ (bits - 1)
    return {
      check = function(value)
        local class = class_of(value)
        local number = class and INTEGERS[class] and rawget(value, 1) or value
        local digits = type(number) == 'string' and number:match '^-?%d+$'
        if type(number) == 'cdata' or bits == 64 and digits then
          return bits ~= 64 and wants(name, value) or nil
        elseif
          type(number) ~= 'number'
          or number % 1 ~= 0
          or number < -limit
          or number >= limit
        then
          return wants(name, value)
        end
      end,
      to = function(value)
        if class_of(value) then
          return value
        end
        local made, wrong = make(value)
        return not wrong and (boxed and made or value) or nil, wrong
      end,
    }
  end
end

-- Values that perilune.java makes; `kinds` are the Lua types that came from a peer.
local function made(what, kinds)
  local kind = (what == 'float' or what == 'double') and 'real' or what ~= 'char' and what or nil
  return function(name)
    local make = constructor(name, java[what])
    return {
      kind = kind,
      check = function(value)
        local class = class_of(value)
        if class and not BOXED[what][class] or not class and not kinds[type(value)] then
          return wants(name, value)
        end
      end,
      to = function(value)
        if class_of(value) then
          return value
        end
        return make(value)
      end,
    }
  end
end

local REAL = { number = true, cdata = true }
local DIGITS = { number = true, string = true, cdata = true }

local function bytes(name)
  local function is(value)
    return type(value) == 'string' or type(value) == 'userdata' and value ~= null
  end
  return {
    kind = 'bytes',
    check = function(value)
      return not is(value) and type(value) ~= 'table' and wants(name, value) or nil
    end,
    to = function(value)
      if type(value) == 'string' then
        return core.bytes(value)
      end
      return is(value) and value or nil, not is(value) and wants(name, value) or nil
    end,
  }
end

-- Hessian writes an array of them as a text, and so does fastjson.
local function chars(name)
  local function check(value)
    if type(value) ~= 'string' and type(value) ~= 'table' then
      return wants(name, value)
    end
  end
  return {
    check = check,
    to = function(value)
      local wrong = check(value)
      return not wrong and value or nil, wrong
    end,
  }
end

local SCALARS = {
  boolean = plain 'boolean',
  byte = integer('byte', 8, true),
  short = integer('short', 16, true),
  int = integer('int', 32),
  long = integer('long', 64, true),
  float = made('float', REAL),
  double = made('double', REAL),
  char = made('char', { string = true }),
  ['java.lang.String'] = plain 'string',
  ['java.lang.CharSequence'] = plain 'string',
  ['java.util.Date'] = made('date', { number = true }),
  ['java.math.BigDecimal'] = made('decimal', DIGITS),
  ['java.math.BigInteger'] = made('bigint', DIGITS),
  ['byte[]'] = bytes,
  ['char[]'] = chars,
}
for class in pairs(java_time.CLASSES) do
  SCALARS[class] = function(name)
    return java_time.type(name, wants)
  end
end
M.TYPES, M.PRIMITIVES = SCALARS, {}
for name, box in pairs {
  boolean = 'Boolean',
  byte = 'Byte',
  short = 'Short',
  int = 'Integer',
  long = 'Long',
  float = 'Float',
  double = 'Double',
  char = 'Character',
} do
  M.PRIMITIVES[name] = 'java.lang.' .. box
  SCALARS['java.lang.' .. box] = SCALARS[name]
end

return M
