-- SPDX-License-Identifier: MIT
-- What is wrong with a value that came, against its Java type: items, keys and fields of declared
-- classes too, as deep as they are declared. Java knows classes that are not described here, and fields
-- that came later: those pass.
local core = require 'perilune.core'

local class_of, null = core.class_of, core.null

local M = {}

local ARRAY = getmetatable(core.array {})

-- Values that are no table to Java.
local BOXES = { ['java.util.Date'] = true }
for name in ('BigDecimal BigInteger'):gmatch '%a+' do
  BOXES['java.math.' .. name] = true
end
for name in ('Byte Short Integer Long Float Double Character'):gmatch '%a+' do
  BOXES['java.lang.' .. name] = true
end

---@param name string
---@param value any
---@return string
function M.wants(name, value)
  local kind = value == null and 'null' or class_of(value) or type(value)
  return ('wants %s, got %s'):format(name, kind == 'number' and tostring(value) or kind)
end

local wants = M.wants

-- Inside another value, where null is allowed but for primitives.
local function inside(kind, value, seen)
  if value == null or value == nil then
    return kind.primitive and value ~= nil and wants(kind.name, value) or nil
  end
  return kind.check(value, seen)
end

-- Whether a type asks anything of a value.
local function asks(kind)
  return kind ~= nil and not kind.open
end

-- True once for each value and type: values may contain themselves.
local function met(seen, kind, value)
  local kinds = seen[value]
  if not kinds then
    kinds = {}
    seen[value] = kinds
  end
  local is = kinds[kind]
  kinds[kind] = true
  return is
end

---@param name string
---@return fun(value: any): string?
function M.is_table(name)
  return function(value)
    if type(value) ~= 'table' then
      return wants(name, value)
    end
  end
end

local function is_map(value)
  return not class_of(value)
    and getmetatable(value) ~= ARRAY
    and rawget(value, 1) == nil
    and next(value) ~= nil
end

---@param name string
---@param element? perilune.java.Type
function M.list(name, element)
  local check
  function check(value, seen)
    if type(value) ~= 'table' or BOXES[class_of(value)] or is_map(value) then
      return wants(name, value)
    elseif asks(element) then
      seen = seen or {}
      if met(seen, check, value) then
        return nil
      end
      for i = 1, #value do
        local wrong = inside(element, value[i], seen)
        if wrong then
          return ('[%d]: %s'):format(i, wrong)
        end
      end
    end
  end
  return check
end

---@param name string
---@param keys? perilune.java.Type
---@param values? perilune.java.Type
function M.map(name, keys, values)
  local check
  function check(value, seen)
    if type(value) ~= 'table' or BOXES[class_of(value)] then
      return wants(name, value)
    elseif asks(keys) or asks(values) then
      seen = seen or {}
      if met(seen, check, value) then
        return nil
      end
      for key, content in pairs(value) do
        local wrong = asks(keys) and keys.check(key, seen)
          or asks(values) and inside(values, content, seen)
        if wrong then
          return ('[%s]: %s'):format(tostring(key), wrong)
        end
      end
    end
  end
  return check
end

-- A table of the class, of one that Java has below it, or of none.
---@param name string
---@param class? table
---@param fields fun(): table<string, perilune.java.Type>
---@param other fun(name: string): perilune.java.Type?  the type of a class that is described, too
function M.object(name, class, fields, other)
  local check
  function check(value, seen)
    if type(value) ~= 'table' then
      return wants(name, value)
    end
    local came = class_of(value)
    if BOXES[came] or not came and rawget(value, 1) ~= nil then
      return wants(name, value)
    elseif came and came ~= name and other(came) then
      return other(came).check(value, seen)
    elseif not class then
      return nil
    end
    seen = seen or {}
    if met(seen, check, value) then
      return nil
    end
    for field, kind in pairs(fields()) do
      local wrong = asks(kind) and inside(kind, rawget(value, field), seen)
      if wrong then
        return ('%s: %s'):format(field, wrong)
      end
    end
  end
  return check
end

return M
