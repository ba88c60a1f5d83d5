-- SPDX-License-Identifier: MIT
-- Values as a string: equal values give equal strings, different ones different strings. Tables by
-- content, whatever the order of their fields. The core writes it; what stands here is for values that
-- only Lua can tell: bodies, functions, lists with holes.
local core = require 'perilune.core'

local null = core.null

local M = {}

M.LIMIT = 65536 -- bytes; what has a longer key is not cached
local DEPTH = 32

local write

-- The order of keys, whatever they are.
local function before(a, b)
  local kind, other = type(a), type(b)
  if kind ~= other then
    return kind < other
  elseif kind == 'boolean' then
    return not a and b
  end
  return a < b
end

-- The fewest digits that name the number.
local function digits_of(number)
  if number % 1 == 0 and math.abs(number) <= 2 ^ 53 then
    return ('%.16g'):format(number)
  elseif number ~= number or math.abs(number) == math.huge then
    return number ~= number and 'nan' or tostring(number)
  end
  return core.encode(number)
end

-- Adds a text while there is room: what stands in many places is written in each of them.
local function add(out, text)
  out.left = out.left - #text
  out[#out + 1] = text
  return out.left >= 0
end

local ORDERED = { string = true, number = true, boolean = true, cdata = true }

-- In a map, null is absence.
local function write_table(out, value, depth)
  local keys = {}
  for key, inner in pairs(value) do
    if not ORDERED[type(key)] then
      return false
    elseif inner ~= null or type(key) == 'number' then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys, before)
  if not add(out, '{' .. #keys .. ' ') then
    return false
  end
  for _, key in ipairs(keys) do
    if not (write(out, key, depth + 1) and write(out, value[key], depth + 1)) then
      return false
    end
  end
  return true
end

function write(out, value, depth)
  local kind = type(value)
  if kind == 'string' then
    return add(out, 's' .. #value .. ':') and add(out, value)
  elseif kind == 'number' then
    return add(out, 'n' .. digits_of(value) .. ' ')
  elseif kind == 'nil' then
    return add(out, 'z')
  elseif kind == 'boolean' then
    return add(out, value and 't' or 'f')
  elseif kind == 'table' then
    return depth < DEPTH and write_table(out, value, depth)
  end
  -- A 64-bit integer gives its digits, a body its bytes, null its name.
  local text = tostring(value)
  local digits = kind == 'cdata' and text:match '^(%-?%d+)U?LL$'
  if digits then
    return add(out, ('n%s '):format(digits))
  end
  return add(out, ('%s%d:'):format(kind == 'cdata' and 's' or kind, #text)) and add(out, text)
end

-- The same in Lua, of whatever there is.
---@param prefix string
---@param values table
---@param n integer
---@param limit integer
---@return string?
function M.written(prefix, values, n, limit)
  local out = { prefix, left = limit - #prefix }
  for i = 1, n do
    if not write(out, values[i], 1) then
      return nil
    end
  end
  return table.concat(out)
end

-- The key of `n` values, or nil when they are too large or too deep for one.
---@param prefix string  what it begins with
---@param values table
---@param n integer
---@param limit? integer  bytes
---@return string?
function M.of(prefix, values, n, limit)
  local key = core.key(prefix .. '\0m', values, n, limit or M.LIMIT)
  if key == false then
    return M.written(prefix .. '\0m', values, n, limit or M.LIMIT)
  end
  return key
end

return M
