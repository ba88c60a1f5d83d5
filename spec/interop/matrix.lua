-- SPDX-License-Identifier: MIT
-- What the suite saw, as tables in docs/interop.md: a section for each protocol, between two marks,
-- replaced when its specs have run.
local M = {}

local PATH = 'docs/interop.md'

local HEAD = [[
# Interoperation

Written by `./dev test interop`, which runs each case between Perilune and the real frameworks. A cell is `yes`, `no`,
`Java` where Java alone fails in the same case, the serialization's name where that cannot carry it (both told below the
table), or empty where the case does not exist.

]]

local function read()
  local file = io.open(PATH)
  local text = file and file:read '*a' or HEAD
  if file then
    file:close()
  end
  return text
end

---@class peri.spec.Matrix
local Matrix = {}
Matrix.__index = Matrix

---@param name string   of the section, 'joyrpc'
---@param title string
---@param about? string  what stands before the table
function M.new(name, title, about)
  return setmetatable(
    { name = name, title = title, about = about, columns = {}, rows = {}, order = {}, notes = {} },
    Matrix
  )
end

-- One result. `seen` is true, a text that says what went wrong, or { 'Java', note }.
function Matrix:add(column, row, seen)
  if not self.columns[column] then
    self.columns[column] = true
    self.columns[#self.columns + 1] = column
  end
  if not self.rows[row] then
    self.rows[row] = {}
    self.order[#self.order + 1] = row
  end
  self.rows[row][column] = seen == true and 'yes' or type(seen) == 'table' and seen[1] or 'no'
  if type(seen) == 'table' and not self.notes[seen[2]] then
    self.notes[seen[2]] = true
    self.notes[#self.notes + 1] = seen[2]
  end
end

function Matrix:text()
  local out = { '## ' .. self.title, '' }
  if self.about then
    out[2], out[3], out[4] = '', self.about, ''
  end
  out[#out + 1] = '| case | ' .. table.concat(self.columns, ' | ') .. ' |'
  out[#out + 1] = '|---|' .. ('---|'):rep(#self.columns)
  for _, row in ipairs(self.order) do
    local cells = { row }
    for i, column in ipairs(self.columns) do
      cells[i + 1] = self.rows[row][column] or ''
    end
    out[#out + 1] = '| ' .. table.concat(cells, ' | ') .. ' |'
  end
  out[#out + 1] = ''
  for _, note in ipairs(self.notes) do
    out[#out + 1] = '* ' .. note
  end
  return table.concat(out, '\n') .. '\n'
end

-- Puts a section into the page.
---@param name string
---@param text string  ends with a newline
function M.section(name, text)
  local first, last = ('<!-- %s -->\n'):format(name), ('<!-- /%s -->\n'):format(name)
  local page, section = read(), first .. text .. last
  local from = page:find(first, 1, true)
  local _, to = page:find(last, 1, true)
  page = from and page:sub(1, from - 1) .. section .. page:sub(to + 1) or page .. section
  local file = assert(io.open(PATH, 'w'))
  file:write(page)
  file:close()
end

-- Puts the table into the page, unless only a part of the suite ran: that of `columns` columns.
---@param columns integer
function Matrix:write(columns)
  if #self.columns >= columns then
    M.section(self.name, self:text())
  end
end

return M
