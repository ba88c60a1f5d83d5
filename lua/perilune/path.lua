-- SPDX-License-Identifier: MIT
-- Where `require` looks: the script's folder, the project's .rocks, LUA_PATH, ~/.luarocks, the
-- installation, the system. Never the working folder: what lies there is not ours to run. The same
-- for C modules with LUA_CPATH.
local M = {}

-- The entries of a path that do not depend on the working folder.
local function fixed(path)
  local kept = {}
  for entry in (path or ''):gmatch '[^;]+' do
    if entry:sub(1, 1) == '/' then
      kept[#kept + 1] = entry
    end
  end
  return kept
end

local function joined(...)
  local all, seen = {}, {}
  for _, list in ipairs { ... } do
    for _, entry in ipairs(list) do
      if not seen[entry] then
        seen[entry] = true
        all[#all + 1] = entry
      end
    end
  end
  return table.concat(all, ';')
end

local function lua_in(folder)
  return { folder .. '/?.lua', folder .. '/?/init.lua' }
end

local function environment(name)
  return fixed(os.getenv(name .. '_5_1') or os.getenv(name))
end

-- Rocks installed beside the binary: `luarocks make --tree PREFIX`.
local function beside(library, what, patterns)
  local prefix = library:match '^(.*)/share/perilune/lua/?$'
  local list = {}
  for i, pattern in ipairs(prefix and patterns or {}) do
    list[i] = ('%s/%s/lua/5.1/%s'):format(prefix, what, pattern)
  end
  return list
end

-- Puts the paths of a fresh VM in order. `library`: the folder this installation's modules are in.
---@param library string
function M.arrange(library)
  local home = os.getenv 'HOME'
  local rocks = home and home:sub(1, 1) == '/' and home .. '/.luarocks'
  package.path = joined(
    environment 'LUA_PATH',
    rocks and lua_in(rocks .. '/share/lua/5.1') or {},
    lua_in(library),
    beside(library, 'share', { '?.lua', '?/init.lua' }),
    fixed(package.path)
  )
  package.cpath = joined(
    environment 'LUA_CPATH',
    rocks and { rocks .. '/lib/lua/5.1/?.so' } or {},
    beside(library, 'lib', { '?.so' }),
    fixed(package.cpath)
  )
end

-- Puts the script's folder and its .rocks in front.
---@param folder string
function M.add_script(folder)
  local rocks = folder .. '/.rocks'
  local front = joined(lua_in(folder), lua_in(rocks .. '/share/lua/5.1'))
  if package.path:sub(1, #front) ~= front then
    package.path = front .. ';' .. package.path
    package.cpath = joined({ folder .. '/?.so', rocks .. '/lib/lua/5.1/?.so' }, { package.cpath })
  end
end

return M
