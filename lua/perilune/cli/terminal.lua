-- SPDX-License-Identifier: MIT
-- What commands print: colour only where a person looks (NO_COLOR kept), tables, JSON for eyes.
local core = require 'perilune.core'

local M = {}

local CODES = { bold = '1', dim = '2', red = '31', green = '32', yellow = '33', cyan = '36' }

---@param fd? integer  1 = stdout (default), 2 = stderr
---@return boolean
function M.is_terminal(fd)
  return core.is_terminal(fd or 1)
end

---@param name string
---@param text string
---@param fd? integer
---@return string
function M.color(name, text, fd)
  local no_color = os.getenv 'NO_COLOR'
  if (no_color and no_color ~= '') or os.getenv 'TERM' == 'dumb' or not M.is_terminal(fd) then
    return text
  end
  return ('\27[%sm%s\27[0m'):format(CODES[name], text)
end

-- One line on stderr.
---@param text string
function M.complain(text)
  io.stderr:write(M.color('red', 'perilune:', 2), ' ', (text:gsub('%s*\n%s*', '; ')), '\n')
end

-- Text of others without control characters.
---@param text string
---@return string
function M.printable(text)
  return (text:gsub('[%z\1-\31\127]', function(c)
    return ('\\x%02x'):format(c:byte())
  end))
end

-- Rows of strings as columns; numbers are aligned to the right.
---@param rows (string|number)[][]
---@return string
function M.columns(rows)
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do
      widths[i] = math.max(widths[i] or 0, #tostring(cell))
    end
  end
  for _, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do
      local pad = (' '):rep(widths[i] - #tostring(cell))
      cells[i] = type(cell) == 'number' and pad .. cell or cell .. (i < #row and pad or '')
    end
    lines[#lines + 1] = table.concat(cells, '  '):gsub(' +$', '')
  end
  return table.concat(lines, '\n')
end

-- Lays compact JSON text out over lines. Works on the text, so that numbers and the order of keys
-- stay what they were.
---@param json string
---@return string
function M.pretty(json)
  local out, depth, i = {}, 0, 1
  local function line()
    out[#out + 1] = '\n' .. ('  '):rep(depth)
  end
  while i <= #json do
    local c = json:sub(i, i)
    if c == '"' then
      local from = i
      repeat
        i = json:find('["\\]', i + 1)
        local escaped = json:sub(i, i) == '\\'
        i = escaped and i + 1 or i
      until not escaped
      out[#out + 1] = json:sub(from, i)
    elseif (c == '{' or c == '[') and not json:find('^[%]}]', i + 1) then
      out[#out + 1] = c
      depth = depth + 1
      line()
    elseif c == '{' or c == '[' then
      out[#out + 1] = json:sub(i, i + 1)
      i = i + 1
    elseif c == '}' or c == ']' then
      depth = depth - 1
      line()
      out[#out + 1] = c
    elseif c == ',' then
      out[#out + 1] = c
      line()
    elseif c == ':' then
      out[#out + 1] = ': '
    else
      out[#out + 1] = c
    end
    i = i + 1
  end
  return table.concat(out)
end

return M
