-- SPDX-License-Identifier: MIT
-- Which plugins there are: those registered and those installed wherever `require` would find them.
local plugin = require 'perilune.plugin'

local M = {}

local NAME = '^[a-z][a-z0-9_]*$'

-- Names of the files in `folder` that could be plugins: name.lua, name.so, name/provider.lua.
local function plugins_in(folder, ending, found)
  local lfs = require 'lfs'
  local ok, iterate, handle = pcall(lfs.dir, folder)
  if not ok then
    return
  end
  for file in iterate, handle do
    local name = file:match '^(.+)%.%a+$'
    if name and name:match(NAME) and file == name .. ending then
      found[name] = found[name] or folder .. '/' .. file
    elseif file:match(NAME) then
      local provided = {}
      plugins_in(folder .. '/' .. file, ending, provided)
      for provider, path in pairs(provided) do
        local full = provider ~= 'init' and file .. '@' .. provider or file
        found[full] = found[full] or path
      end
    end
  end
end

-- What is installed for a point, wherever `require` would find it; nothing is loaded.
local function installed(point)
  local found = {}
  local inside = ('/perilune/%s/%s'):format(point.layer, point.name)
  for _, path in ipairs { package.path, package.cpath } do
    for folder, ending in path:gmatch '([^;]+)/%?(%.%a+)' do
      plugins_in(folder .. inside, ending, found)
    end
  end
  return found
end

-- Every point and what is registered or installed, for `perilune plugins`.
---@param points table<string, perilune.plugin.Point>
---@return {point: string, layer: string, name: string, place: string, default: boolean}[]
function M.list(points)
  local rows = {}
  for name, point in pairs(points) do
    local seen = {}
    for full, record in pairs(plugin.registered(name)) do
      seen[full] = record.place
    end
    for _, builtin in ipairs(point.builtin or {}) do
      seen[builtin] = seen[builtin] or plugin.where(point, builtin) or 'built in'
    end
    for full, place in pairs(installed(point)) do
      seen[full] = seen[full] or place
    end
    for full, place in pairs(seen) do
      local default = point.default == full
      rows[#rows + 1] =
        { point = name, layer = point.layer, name = full, place = place, default = default }
    end
  end
  table.sort(rows, function(a, b)
    if a.point ~= b.point then
      return a.point < b.point
    end
    return a.name < b.name
  end)
  return rows
end

return M
