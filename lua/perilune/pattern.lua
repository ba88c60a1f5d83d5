-- SPDX-License-Identifier: MIT
-- Reads Lua patterns without matching: string.find tells what is wrong with one only when it gets there,
-- and that is when the first call that fits so far has come.
local M = {}

local CAPTURES = 32 -- of one pattern, as in lua.h

-- Where the set that begins at `i` ends, or nil and what is wrong.
local function end_of_set(pattern, i)
  i = i + (pattern:sub(i + 1, i + 1) == '^' and 2 or 1)
  repeat -- the first one may be ']' itself
    local char = pattern:sub(i, i)
    i = i + (char == '%' and 2 or 1)
    if i > #pattern then
      return nil, "misses the ']' of a set"
    end
  until pattern:sub(i, i) == ']'
  return i
end

-- Where what '%' at `i` begins ends, or nil and what is wrong. `closed` are the captures so far.
local function end_of_escape(pattern, i, closed)
  local char = pattern:sub(i + 1, i + 1)
  if char == '' then
    return nil, "ends with '%'"
  elseif char == 'b' then
    if #pattern < i + 3 then
      return nil, "misses the two characters of '%b'"
    end
    return i + 3
  elseif char == 'f' then
    if pattern:sub(i + 2, i + 2) ~= '[' then
      return nil, "misses the set of '%f'"
    end
    return end_of_set(pattern, i + 2)
  elseif char:match '%d' and not closed[tonumber(char)] then
    return nil, ("refers to capture '%%%s', which is not there"):format(char)
  end
  return i + 1
end

-- What a parenthesis at `i` does to the captures: `state` has those that are open, how many began, and
-- which are closed. Returns what is wrong.
local function capture(pattern, i, state)
  if pattern:sub(i, i) == '(' then
    state.count = state.count + 1
    table.insert(state.open, state.count)
    return state.count > CAPTURES and ('has more than %d captures'):format(CAPTURES) or nil
  end
  local nearest = table.remove(state.open)
  if not nearest then
    return "has a ')' without its '('"
  end
  state.closed[nearest] = true
end

-- What is wrong with a pattern, or nil.
---@param pattern any
---@return string?
function M.wrong(pattern)
  if type(pattern) ~= 'string' then
    return ('is a %s'):format(type(pattern))
  end
  local state = { open = {}, closed = {}, count = 0 }
  local i, message = 1, nil
  while i <= #pattern do
    local char, last = pattern:sub(i, i), i
    if char == '(' or char == ')' then
      message = capture(pattern, i, state)
    elseif char == '[' then
      last, message = end_of_set(pattern, i)
    elseif char == '%' then
      last, message = end_of_escape(pattern, i, state.closed)
    end
    if message then
      return message
    end
    i = last + 1
  end
  return #state.open > 0 and "has a '(' without its ')'" or nil
end

return M
