-- SPDX-License-Identifier: MIT
-- Values as a string: equal values give equal strings, different ones different strings. Tables by
-- content, whatever the order of their fields.
local null = require('perilune').null

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

-- Whole numbers, which most are, need no format.
local function digits_of(number)
  return number % 1 == 0 and number > -1e14 and number < 1e14 and tostring(number)
    or ('%.17g'):format(number)
end

-- In a map, null is absence.
local function write_table(out, value, depth)
  local keys = {}
  for key, inner in pairs(value) do
    if inner ~= null or type(key) == 'number' then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys, before)
  out[#out + 1] = '{' .. #keys .. ' '
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
    out[#out + 1] = 's' .. #value .. ':'
    out[#out + 1] = value
  elseif kind == 'number' then
    out[#out + 1] = 'n' .. digits_of(value) .. ' '
  elseif kind == 'nil' then
    out[#out + 1] = 'z'
  elseif kind == 'boolean' then
    out[#out + 1] = value and 't' or 'f'
  elseif kind == 'table' then
    return depth < DEPTH and write_table(out, value, depth)
  else
    -- A 64-bit integer gives its digits, a body its bytes, null its name.
    local text = tostring(value)
    local digits = kind == 'cdata' and text:match '^(%-?%d+)U?LL$'
    if digits then
      out[#out + 1] = ('n%s '):format(digits)
    else
      out[#out + 1] = ('%s%d:'):format(kind == 'cdata' and 's' or kind, #text)
      out[#out + 1] = text
    end
  end
  return true
end

-- The key of `n` values, or nil when they are too large or too deep for one.
---@param method string
---@param values table
---@param n integer
---@param limit? integer  bytes
---@return string?
function M.of(method, values, n, limit)
  local out = { method, '\0m' }
  for i = 1, n do
    if not write(out, values[i], 1) then
      return nil
    end
  end
  local key = table.concat(out)
  return #key <= (limit or M.LIMIT) and key or nil
end

return M
