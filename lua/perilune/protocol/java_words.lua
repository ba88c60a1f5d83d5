-- SPDX-License-Identifier: MIT
-- The words of Java source, for java_text: names with their dots, literals and single marks, without
-- comments. What stands between brackets of any kind can be passed over.
local M = {}

---@class perilune.java.Words
---@field at integer  of the word that comes next
local Words = {}
Words.__index = Words

local function skip_comment(text, at)
  if text:sub(at, at + 1) == '//' then
    return text:find('\n', at, true) or #text + 1
  elseif text:sub(at, at + 1) == '/*' then
    local _, to = text:find('*/', at + 2, true)
    return (to or #text) + 1
  end
end

-- The end of a string, a text block or a character.
local function quoted_end(text, at)
  if text:sub(at, at + 2) == '"""' then
    local _, to = text:find('"""', at + 3, true)
    return to or #text
  end
  local quote = text:sub(at, at)
  local to = at + 1
  while to <= #text and text:sub(to, to) ~= quote do
    to = to + (text:sub(to, to) == '\\' and 2 or 1)
  end
  return to
end

-- 'java . util' is one name, as 'java.util'.
local function add_name(list, name)
  local dot, before = #list, #list - 1
  if list[dot] == '.' and before > 0 and list[before]:match '[%w_$]$' then
    list[dot] = nil
    list[before] = list[before] .. '.' .. name
  else
    list[#list + 1] = name
  end
end

---@param text string
---@return perilune.java.Words
function M.new(text)
  local list, at = {}, 1
  while at <= #text do
    local after = skip_comment(text, at)
    if after then
      at = after
    elseif text:match('^%s', at) then
      at = at + 1
    elseif text:match('^["\']', at) then
      local to = quoted_end(text, at)
      list[#list + 1] = text:sub(at, to)
      at = to + 1
    else
      local name = text:match('^[%w_$\128-\255]+', at)
      if name then
        add_name(list, name)
      elseif text:sub(at, at + 2) == '...' then
        name = '...'
        list[#list + 1] = name
      else
        name = text:sub(at, at)
        list[#list + 1] = name
      end
      at = at + #name
    end
  end
  return setmetatable({ list = list, at = 1 }, Words)
end

---@return string? word  the next one, which stays
function Words:peek()
  return self.list[self.at]
end

---@return string? word
function Words:next()
  local word = self.list[self.at]
  self.at = self.at + 1
  return word
end

-- Takes the word if it comes next.
---@param word string
---@return boolean
function Words:take(word)
  local found = self.list[self.at] == word
  self.at = self.at + (found and 1 or 0)
  return found
end

-- What stands around the place, for messages.
---@return string
function Words:near()
  local last = math.min(self.at + 8, #self.list)
  return self.at > #self.list and 'the end' or table.concat(self.list, ' ', self.at, last)
end

---@param what string
function Words:fail(what)
  error(('perilune.interface: cannot read %s at: %s'):format(what, self:near()), 0)
end

---@param word string
---@param what string  that is read
function Words:expect(word, what)
  if not self:take(word) then
    self:fail(what)
  end
end

-- A name, of a type with its package or of something declared.
---@param what string
---@return string
function Words:name(what)
  local word = self:peek()
  if not word or not word:match '^[%a_$\128-\255]' then
    self:fail(what)
  end
  self.at = self.at + 1
  return word
end

local CLOSING = { ['{'] = '}', ['('] = ')', ['<'] = '>', ['['] = ']' }

-- Passes over brackets and what they hold, if one opens here.
---@param open string
---@return boolean
function Words:skip(open)
  if self:peek() ~= open then
    return false
  end
  local close, depth = CLOSING[open], 0
  repeat
    local word = self:next()
    if not word then
      error(("perilune.interface: a '%s' is never closed"):format(open), 0)
    end
    depth = depth + (word == open and 1 or word == close and -1 or 0)
  until depth == 0
  return true
end

-- Passes over an expression: up to a `,` or `;` that is in no brackets.
function Words:skip_value()
  while self:peek() and self:peek() ~= ',' and self:peek() ~= ';' do
    if not (self:skip '{' or self:skip '(' or self:skip '[') then
      -- `new HashMap<String, Integer>()`; a lone `<` compares
      local mark = self.at
      if self:peek() == '<' and not self:skip_arguments() then
        self.at = mark
      end
      self.at = self.at + (self.at == mark and 1 or 0)
    end
  end
end

-- Passes over type arguments; whether they were.
---@return boolean
function Words:skip_arguments()
  local depth = 0
  repeat
    local word = self:next()
    depth = depth + (word == '<' and 1 or word == '>' and -1 or 0)
    if not word or not word:match '^[%w_$.<>,?&%[%]]' then
      return false
    end
  until depth == 0
  return true
end

return M
