-- SPDX-License-Identifier: MIT
-- What scripts log with: a text, fields, a tag by which lines are found and rate-limited. A line has no
-- place for more than 16 KiB of fields, nor for what JSON has no words for, and would come without any:
-- what is too much is cut here, the rest said in other words.
local core = require 'perilune.core'

local DEEPEST = 8 -- tables within each other
local ROOM = 12288 -- bytes of all fields, about
local MORE = '...'
-- What a line says itself, and what fields of that name are called.
local OWN = { time = 'time_', level = 'level_', tag = 'tag_', text = 'text_' }

-- Sequences of UTF-8 beyond ASCII.
local CHARACTERS = {
  '[\194-\223][\128-\191]',
  '\224[\160-\191][\128-\191]',
  '[\225-\236\238\239][\128-\191][\128-\191]',
  '\237[\128-\159][\128-\191]',
  '\240[\144-\191][\128-\191][\128-\191]',
  '[\241-\243][\128-\191][\128-\191][\128-\191]',
  '\244[\128-\143][\128-\191][\128-\191]',
}

local function is_utf8(text)
  for _, pattern in ipairs(CHARACTERS) do
    text = text:gsub(pattern, 'x')
  end
  return not text:find '[\128-\255]'
end

local function escape(char)
  return ('\\x%02X'):format(char:byte())
end

-- At most so many bytes of a text, cut between characters.
local function cut(text, most)
  while most > 0 and text:find('^[\128-\191]', most + 1) do
    most = most - 1
  end
  return text:sub(1, most)
end

-- Bytes of a text in JSON.
local function size_of(text)
  return #text + 5 * select(2, text:gsub('%c', '')) + select(2, text:gsub('["\\]', ''))
end

-- The text, or as much of it as there is room for; what is no UTF-8 in ASCII.
local function text_of(text, room)
  local left = math.max(0, room.left)
  local shown = #text > left and cut(text, left) or text
  if shown:find '[%c"\\\128-\255]' then
    shown = is_utf8(shown) and shown or shown:gsub('[\128-\255]', escape)
    shown = size_of(shown) > left and cut(shown, math.floor(left / 6)) or shown
  end
  room.left = room.left - size_of(shown)
  return #shown < #text and shown .. MORE or shown
end

local shown_of

local function is_list(value)
  local count = 0
  for _ in next, value do
    count = count + 1
  end
  return count == #value
end

-- Without what keys that begin with '.' hold: those are secrets.
local function table_of(value, room, depth)
  local shown, list, plain = {}, depth > 1 and is_list(value), true
  for key, inner in next, value do
    local name = list and key or tostring(key)
    plain = plain and (list or type(key) == 'string')
    if room.left <= 0 then
      shown[list and #shown + 1 or MORE] = MORE
      break
    elseif list or name:sub(1, 1) ~= '.' then
      name = list and #shown + 1 or text_of(name, room)
      name = depth == 1 and OWN[name] or name
      room.left = room.left - 6
      shown[name] = shown_of(inner, room, depth + 1)
    end
  end
  local meta = getmetatable(value)
  return type(meta) == 'table' and plain and setmetatable(shown, meta) or shown
end

function shown_of(value, room, depth)
  local kind = type(value)
  if kind == 'table' then
    return depth <= DEEPEST and table_of(value, room, depth) or MORE
  elseif kind == 'string' then
    return text_of(value, room)
  elseif kind == 'boolean' or value == core.null then
    return value
  end
  local number = tonumber(value)
  if number and number == number and math.abs(number) < math.huge then
    room.left = room.left - 16
    return value
  end
  local ok, text = pcall(tostring, value) -- of a body that is over it throws
  return text_of(ok and text or kind, room)
end

local M = {} ---@class perilune.Log
for _, level in ipairs { 'debug', 'info', 'warn', 'error' } do
  ---@param text string
  ---@param fields? table
  ---@param tag? string  by which lines are found and rate-limited
  M[level] = function(text, fields, tag)
    local shown = type(fields) == 'table' and shown_of(fields, { left = ROOM }, 1) or nil
    core.log(level, tag or 'SCRIPT', tostring(text), shown)
  end
end

return M
