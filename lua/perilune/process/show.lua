-- SPDX-License-Identifier: MIT
-- Values as a person reads them: strings quoted, tables with sorted keys, bounded in depth, entries and
-- length. Nothing of the value is called but __tostring.
local M = {}

M.DEPTH, M.ENTRIES, M.LENGTH = 4, 64, 16384

local ESCAPES = { ['\n'] = '\\n', ['\t'] = '\\t', ['\r'] = '\\r', ["'"] = "\\'", ['\\'] = '\\\\' }

local function quoted(text)
  return "'"
    .. text:gsub("[%z\1-\31\127'\\]", function(c)
      return ESCAPES[c] or ('\\%03d'):format(c:byte())
    end)
    .. "'"
end

local function number_text(value)
  if value == math.floor(value) and math.abs(value) < 2 ^ 53 then
    return ('%.0f'):format(value)
  end
  return tostring(value)
end

local function function_text(value)
  local info = debug.getinfo(value, 'S')
  return (info.what == 'C' or info.linedefined < 0) and 'function: built in'
    or ('function: %s:%d'):format(info.short_src, info.linedefined)
end

local function own_text(value)
  local meta = debug.getmetatable(value)
  if type(meta) ~= 'table' or not rawget(meta, '__tostring') then
    return nil
  end
  local ok, text = pcall(tostring, value)
  return ok and text or nil
end

local function before(a, b)
  if type(a) ~= type(b) then
    return type(a) < type(b)
  elseif type(a) == 'number' or type(a) == 'string' then
    return a < b
  end
  return tostring(a) < tostring(b)
end

local Writer = {}
Writer.__index = Writer

function Writer:put(text)
  self.length = self.length + #text
  self[#self + 1] = text
end

function Writer:key(key)
  if type(key) == 'string' and key:match '^[%a_][%w_]*$' then
    self:put(key)
  else
    self:put '['
    self:value(key, M.DEPTH)
    self:put ']'
  end
  self:put ' = '
end

local function sorted_keys(value, listed)
  local keys, more = {}, 0
  for key in next, value do
    if not (type(key) == 'number' and key >= 1 and key <= listed and key % 1 == 0) then
      if #keys < 10000 then
        keys[#keys + 1] = key
      else
        more = more + 1
      end
    end
  end
  table.sort(keys, before)
  return keys, more
end

function Writer:entries(value, depth)
  local listed = #value
  local keys, more = sorted_keys(value, listed)
  local count = 0
  local pad = '\n' .. ('  '):rep(depth + 1)
  local nested = #keys > 0 or listed > 8
  local function entry(key, item)
    if count >= M.ENTRIES or self.length > M.LENGTH then
      more = more + 1
      return
    end
    self:put(count > 0 and ',' or '')
    self:put(nested and pad or ' ')
    count = count + 1
    if key ~= nil then
      self:key(key)
    end
    self:value(item, depth + 1)
  end
  for i = 1, listed do
    entry(nil, rawget(value, i))
  end
  for _, key in ipairs(keys) do
    entry(key, rawget(value, key))
  end
  if more > 0 then
    self:put((',%s... %d more'):format(nested and pad or ' ', more))
  end
  self:put(nested and '\n' .. ('  '):rep(depth) or ' ')
end

function Writer:table(value, depth)
  if self.open[value] then
    return self:put '{ ... itself }'
  elseif next(value) == nil then
    return self:put '{}'
  elseif depth >= M.DEPTH then
    return self:put '{ ... }'
  end
  self.open[value] = true
  self:put '{'
  self:entries(value, depth)
  self:put '}'
  self.open[value] = nil
end

function Writer:value(value, depth)
  local kind = type(value)
  local text = kind ~= 'string' and own_text(value)
  if text then
    self:put(text)
  elseif kind == 'string' then
    self:put(quoted(#value > M.LENGTH and value:sub(1, M.LENGTH) .. '...' or value))
  elseif kind == 'number' then
    self:put(number_text(value))
  elseif kind == 'function' then
    self:put(function_text(value))
  elseif kind == 'table' then
    self:table(value, depth)
  else
    self:put(tostring(value))
  end
end

-- One value as text, on several lines where it is a map.
---@param value any
---@return string
function M.value(value)
  local writer = setmetatable({ length = 0, open = {} }, Writer)
  writer:value(value, 0)
  return table.concat(writer)
end

return M
