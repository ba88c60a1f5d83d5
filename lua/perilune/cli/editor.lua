-- SPDX-License-Identifier: MIT
-- One line of input as it is typed: keys in, text and what to draw out. It reads and writes nothing
-- itself. Positions count characters (UTF-8), each as one column.
local M = {}

---@class perilune.cli.Editor
---@field chars string[]
---@field at integer       characters before the cursor
---@field history string[] oldest first
local Editor = {}
Editor.__index = Editor

local function split(text)
  local chars = {}
  for char in text:gmatch '[%z\1-\127\194-\247][\128-\191]*' do
    chars[#chars + 1] = char
  end
  return chars
end

---@param history string[]
---@param complete fun(before: string): string[], string
---@return perilune.cli.Editor
function M.new(history, complete)
  return setmetatable(
    { chars = {}, at = 0, pending = '', history = history, complete = complete, killed = '' },
    Editor
  )
end

function Editor:text(first, last)
  return table.concat(self.chars, '', first or 1, last or #self.chars)
end

function Editor:set(text)
  self.chars = split(text)
  self.at = #self.chars
end

function Editor:insert(text)
  for _, char in ipairs(split(text)) do
    self.at = self.at + 1
    table.insert(self.chars, self.at, char)
  end
end

function Editor:cut(first, last)
  local text = self:text(first, last)
  for _ = first, last do
    table.remove(self.chars, first)
  end
  self.at = self.at > last and self.at - (last - first + 1) or math.min(self.at, first - 1)
  return text
end

local function is_word(char)
  return char ~= nil and char:match '^[%w_\128-\255]' ~= nil
end

function Editor:word_left()
  local at = self.at
  while at > 0 and not is_word(self.chars[at]) do
    at = at - 1
  end
  while at > 0 and is_word(self.chars[at]) do
    at = at - 1
  end
  return at
end

function Editor:word_right()
  local at = self.at
  while at < #self.chars and not is_word(self.chars[at + 1]) do
    at = at + 1
  end
  while at < #self.chars and is_word(self.chars[at + 1]) do
    at = at + 1
  end
  return at
end

function Editor:browse(step)
  local last = #self.history + 1
  local index = (self.index or last) + step
  if index < 1 or index > last then
    return
  end
  if not self.index or self.index == last then
    self.draft = self:text()
  end
  self.index = index
  self:set(index == last and self.draft or self.history[index])
end

local function common(words)
  local shared = words[1]
  for _, word in ipairs(words) do
    while word:sub(1, #shared) ~= shared do
      shared = shared:sub(1, -2)
    end
  end
  return shared
end

-- Completes what is clear; returns the words there are when it is not.
function Editor:tab()
  local words, part = self.complete(self:text(1, self.at))
  if #words == 0 then
    return nil
  end
  local shared = common(words)
  if #shared > #part then
    self:insert(shared:sub(#part + 1))
  elseif #words > 1 then
    return words
  end
end

local KEYS = {}

KEYS['\1'] = function(self)
  self.at = 0
end
KEYS['\5'] = function(self)
  self.at = #self.chars
end
KEYS['\2'] = function(self)
  self.at = math.max(0, self.at - 1)
end
KEYS['\6'] = function(self)
  self.at = math.min(#self.chars, self.at + 1)
end
KEYS['\8'] = function(self)
  if self.at > 0 then
    self:cut(self.at, self.at)
  end
end
KEYS['\127'] = KEYS['\8']
KEYS['\11'] = function(self)
  self.killed = self:cut(self.at + 1, #self.chars)
end
KEYS['\21'] = function(self)
  self.killed = self:cut(1, self.at)
end
KEYS['\23'] = function(self)
  self.killed = self:cut(self:word_left() + 1, self.at)
end
KEYS['\25'] = function(self)
  self:insert(self.killed)
end
KEYS['\16'] = function(self)
  self:browse(-1)
end
KEYS['\14'] = function(self)
  self:browse(1)
end
KEYS['\9'] = function(self)
  local words = self:tab()
  if words then
    return 'words', words
  end
end
KEYS['\12'] = function()
  return 'clear'
end
KEYS['\3'] = function()
  return 'interrupt'
end
KEYS['\4'] = function(self)
  if #self.chars == 0 then
    return 'eof'
  elseif self.at < #self.chars then
    self:cut(self.at + 1, self.at + 1)
  end
end
KEYS['\13'] = function(self)
  return 'line', self:text()
end
KEYS['\10'] = KEYS['\13']

local function word_back(self)
  self.at = self:word_left()
end
local function word_on(self)
  self.at = self:word_right()
end
local function delete(self)
  if self.at < #self.chars then
    self:cut(self.at + 1, self.at + 1)
  end
end

-- What follows ESC.
local SEQUENCES = {
  ['[A'] = KEYS['\16'],
  ['[B'] = KEYS['\14'],
  ['[C'] = KEYS['\6'],
  ['[D'] = KEYS['\2'],
  ['[H'] = KEYS['\1'],
  ['[F'] = KEYS['\5'],
  ['OA'] = KEYS['\16'],
  ['OB'] = KEYS['\14'],
  ['OH'] = KEYS['\1'],
  ['OF'] = KEYS['\5'],
  ['[1~'] = KEYS['\1'],
  ['[7~'] = KEYS['\1'],
  ['[4~'] = KEYS['\5'],
  ['[8~'] = KEYS['\5'],
  ['[3~'] = delete,
  ['[1;5C'] = word_on,
  ['[1;5D'] = word_back,
  ['b'] = word_back,
  ['f'] = word_on,
  ['d'] = function(self)
    self.killed = self:cut(self.at + 1, self:word_right())
  end,
} -- stylua: ignore

-- The first key of some bytes, and its length; nil when more must come.
local function first_key(bytes)
  local first = bytes:sub(1, 1)
  if first == '\27' then
    local sequence = bytes:match '^\27%[[%d;]*[%a~]'
      or bytes:match '^\27O%a'
      or bytes:match '^\27[%a\127]'
    if sequence == '\27O' or (not sequence and #bytes < 16 and bytes:match '^\27[%[O]?[%d;]*$') then
      return nil
    end
    return sequence or first
  end
  local size = first < '\192' and 1 or first < '\224' and 2 or first < '\240' and 3 or 4
  return #bytes >= size and bytes:sub(1, size) or nil
end

-- Takes typed bytes up to the first thing that whoever reads must do: returns 'line' and the text,
-- 'interrupt', 'eof', 'clear', 'words' and a list; nil when all bytes are taken.
---@param bytes string
---@return string? event
---@return any value
function Editor:feed(bytes)
  self.pending = self.pending .. bytes
  while self.pending ~= '' do
    local key = first_key(self.pending)
    if not key then
      return nil
    end
    self.pending = self.pending:sub(#key + 1)
    local act = KEYS[key] or SEQUENCES[key:sub(2)]
    if key:sub(1, 1) ~= '\27' and not KEYS[key] then
      if key >= ' ' then
        self:insert(key)
      end
    elseif act then
      local event, value = act(self)
      if event then
        return event, value
      end
    end
  end
end

-- An empty line again; the last one is remembered if `keep`.
---@param keep? string
function Editor:reset(keep)
  if keep and keep:match '%S' and self.history[#self.history] ~= keep then
    table.insert(self.history, keep)
  end
  self.chars, self.at, self.index, self.draft = {}, 0, nil, nil
end

-- What draws the line anew in a terminal of that width.
---@param prompt string
---@param width integer
---@return string
function Editor:render(prompt, width)
  local room = math.max(8, width - #prompt - 1)
  local first = math.max(0, self.at - room)
  local shown = self:text(first + 1, math.min(#self.chars, first + room))
  local column = #prompt + self.at - first
  shown = shown:gsub('[%z\1-\31]', '?')
  return '\r' .. prompt .. shown .. '\27[K\r' .. (column > 0 and ('\27[%dC'):format(column) or '')
end

return M
