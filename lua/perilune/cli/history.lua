-- SPDX-License-Identifier: MIT
-- What was typed, kept in a file under the user's state folder, one entry a line, newest last.
local M = {}

M.MOST = 1000

local function folder()
  local state, home = os.getenv 'XDG_STATE_HOME', os.getenv 'HOME'
  if state and state:sub(1, 1) == '/' then
    return state .. '/perilune'
  end
  return home and home ~= '' and home .. '/.local/state/perilune' or nil
end

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function escaped(text)
  return (text:gsub('\\', '\\\\'):gsub('\n', '\\n'))
end

local function unescaped(line)
  return (line:gsub('\\(.)', { n = '\n', ['\\'] = '\\' }))
end

---@return string[] entries  oldest first
function M.load()
  local entries = {}
  local where = folder()
  local file = where and io.open(where .. '/history')
  if file then
    for line in file:lines() do
      entries[#entries + 1] = unescaped(line)
    end
    file:close()
  end
  while #entries > M.MOST do
    table.remove(entries, 1)
  end
  return entries
end

-- Writes them all; what cannot be written is left.
---@param entries string[]
function M.save(entries)
  local where = folder()
  if not where or os.execute('umask 077 && mkdir -p ' .. quoted(where)) ~= 0 then
    return
  end
  local path = where .. '/history'
  local fresh = path .. '.new'
  local file = os.execute('umask 077 && : >' .. quoted(fresh)) == 0 and io.open(fresh, 'w')
  if file then
    for i = math.max(1, #entries - M.MOST + 1), #entries do
      file:write(escaped(entries[i]), '\n')
    end
    file:close()
    os.rename(fresh, path)
  end
end

return M
