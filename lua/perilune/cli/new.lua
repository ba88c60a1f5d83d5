-- SPDX-License-Identifier: MIT
local lfs = require 'lfs'
local errors = require 'perilune.error'
local skeletons = require 'perilune.cli.skeletons'

local M = { summary = 'Write a small tested skeleton: a service, a plugin, a rock.' }

local SPDX = '-- SPDX-License-Identifier: MIT\n'
-- What Lua itself says or a file system would mistake.
local RESERVED = {
  ['and'] = true,
  ['break'] = true,
  ['do'] = true,
  ['else'] = true,
  ['elseif'] = true,
  ['end'] = true,
  ['false'] = true,
  ['for'] = true,
  ['function'] = true,
  ['if'] = true,
  ['in'] = true,
  ['local'] = true,
  ['nil'] = true,
  ['not'] = true,
  ['or'] = true,
  ['repeat'] = true,
  ['return'] = true,
  ['then'] = true,
  ['true'] = true,
  ['until'] = true,
  ['while'] = true,
}

local function kinds()
  local list = { service = true, rock = true }
  for kind in pairs(skeletons.plugins) do
    list[kind] = true
  end
  return list
end

local function sorted(set)
  local list = {}
  for key in pairs(set) do
    list[#list + 1] = key
  end
  table.sort(list)
  return list
end

function M.describe(parser)
  parser:argument('kind', table.concat(sorted(kinds()), ', ') .. '.')
  parser:argument('name', 'Lower case letters, digits and _.')
  parser:option('--dir', 'Folder to write into.', '.'):argname '<folder>'
  parser
    :option('--point', 'Of a rock: what its plugin is.', 'filter')
    :argname '<point>'
    :choices(sorted(skeletons.plugins))
end

-- The files of a plugin below `folder` ('' or 'perilune-x/lua/').
local function plugin_files(point, prefix, lua)
  local skeleton = skeletons.plugins[point]
  return {
    { prefix .. lua .. 'perilune/LAYER/POINT/NAME.lua', skeleton.text },
    { prefix .. 'spec/NAME_spec.lua', skeleton.spec },
  }
end

local function files_of(args)
  if args.kind == 'service' then
    return skeletons.service
  elseif args.kind ~= 'rock' then
    return plugin_files(args.kind, '', '')
  end
  local files = plugin_files(args.point, 'perilune-NAME/', 'lua/')
  for _, file in ipairs(skeletons.rock) do
    files[#files + 1] = file
  end
  return files
end

local function filler(args)
  local point = args.kind == 'rock' and args.point or args.kind
  local skeleton = skeletons.plugins[point]
  local words = {
    NAME = args.name,
    TITLE = args.name:gsub('^%l', string.upper):gsub('_(%w)', string.upper),
    POINT = point,
    LAYER = skeleton and skeleton.layer,
  }
  return function(text)
    return (text:gsub('%f[%w]%u+', words))
  end
end

local function make_folders(path)
  for folder in path:gmatch '()/' do
    local part = path:sub(1, folder - 1)
    if part ~= '' and lfs.attributes(part, 'mode') == nil then
      local ok, message = lfs.mkdir(part)
      if not ok then
        return nil, ("cannot make the folder '%s': %s"):format(part, message)
      end
    end
  end
  return true
end

local function write(path, text)
  local ok, message = make_folders(path)
  if not ok then
    return nil, message
  end
  local file
  file, message = io.open(path, 'w')
  if not file then
    return nil, ('cannot write %s'):format(message)
  end
  file:write(path:match '%.lua$' and SPDX or '', text)
  file:close()
  return true
end

local function wrong(args)
  local known = kinds()
  if not known[args.kind] then
    return ("kind '%s' unknown%s"):format(args.kind, errors.suggest(args.kind, known))
  elseif not args.name:match '^[a-z][a-z0-9_]*$' then
    return ("'%s' is no name: write lower case letters, digits and _"):format(args.name)
  elseif args.dir == '' then
    return '--dir wants a folder'
  elseif RESERVED[args.name] then
    return ("'%s' is a word of Lua; choose another name"):format(args.name)
  end
end

function M.run(args)
  local message = wrong(args)
  if message then
    return 2, message
  end
  local fill, plan = filler(args), {}
  for i, file in ipairs(files_of(args)) do
    local path = args.dir:gsub('/+$', '') .. '/' .. fill(file[1])
    if lfs.symlinkattributes(path) then
      return 1, ("'%s' is there already; nothing was written"):format(path)
    end
    plan[i] = { path, fill(file[2]) }
  end
  for _, file in ipairs(plan) do
    local ok
    ok, message = write(file[1], file[2])
    if not ok then
      return 1, message
    end
    print(file[1])
  end
  return 0
end

return M
