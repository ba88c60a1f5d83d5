-- SPDX-License-Identifier: MIT
-- Generations of scripts. Each load of an entrypoint is one, by number; a reload makes the next one.
-- Code belongs to the generation that is being loaded, or to that of the fiber it runs in; work of
-- the library itself (connections, letters, perilune.main) belongs to none, number 0.
local has_core, core = pcall(require, 'perilune.core')
local ffi = require 'ffi'
local source = require 'perilune.source'

local M = {}
core = has_core and core or {} -- specs read schemas outside of a runtime

-- The one that takes new calls.
M.active = 1
-- The one that is being loaded, or false.
M.loading = false

-- The generation that owns what runs now: the one being loaded, that of the running fiber, or 0.
---@return integer
function M.owner()
  return M.loading or core.generation and core.generation() or 0
end

-- The generation in whose view names are looked up: the owner, for the library the active one.
---@return integer
function M.number()
  local owner = M.owner()
  return owner ~= 0 and owner or M.active
end

---@param number integer
function M.activate(number)
  M.active = number
  if core.set_generation then
    core.set_generation(number)
  end
end

-- Runs `fn(...)` in a fiber of that generation and waits for its end.
---@async
---@param number integer
---@param fn async fun(...): any, any
---@return boolean ok
---@return any
---@return any
function M.run(number, fn, ...)
  if not core.generation or core.generation() == number then
    return xpcall(fn, debug.traceback, ...)
  end
  local me, n, args = core.fiber(), select('#', ...), { ... }
  local done, ok, first, second = false, nil, nil, nil
  core.spawn(function()
    ok, first, second = xpcall(fn, debug.traceback, unpack(args, 1, n))
    done = true
    core.wake(me, true)
  end, nil, nil, true, number)
  while not done do
    core.park()
  end
  return ok, first, second
end

ffi.cdef 'int sched_yield(void);'

-- The control VM may share a core with workers, who only need a moment each: while it loads it lets them go
-- first between its steps. By itself the scheduler may let one that wakes up wait for a whole slice.
function M.give_way()
  if M.loading and core.role == 'control' then
    ffi.C.sched_yield()
  end
end

-- ── modules ─────────────────────────────────────────────────────────────────────────────────────

-- Modules that were there before any script: what the library itself is made of.
local baseline

-- Is it the name of a part of the library that no script can bring in its place, as it can a plugin?
local function is_part(name)
  return name:find '^perilune' and not name:find '^perilune%.[^.]+%.[^.]+%.'
end

-- Does the file belong to the library's folder?
local function is_own(path)
  return core.library ~= nil and path:sub(1, #core.library + 1) == core.library .. '/'
end

-- Files of the modules that scripts brought, by name.
local places = {} ---@type table<string, string>

-- In place of the loader that `require` asks for a Lua file.
local function find_module(name)
  M.give_way()
  local path, message = package.searchpath(name, package.path)
  if not path then
    return message
  end
  local own = is_own(path)
  local chunk, wrong = (own and loadfile or source.file)(path)
  if not chunk then
    error(("error loading module '%s' from file '%s':\n\t%s"):format(name, path, wrong), 0)
  end
  places[name] = not own and path or nil
  return chunk
end

-- The file of a module that scripts brought, or nil: C modules and the library stay as they are.
local function file_of(name)
  if baseline[name] or type(name) ~= 'string' then
    return nil
  elseif places[name] then
    return places[name]
  end
  local path = package.searchpath(name, package.path)
  local own = path and is_own(path)
  if own and is_part(name) then
    baseline[name] = true -- a search asks for a file in each folder of the path
  end
  return not own and path or nil
end

-- Declaring the same C types again is no error for a module that is loaded again.
local function forgive_cdef()
  local cdef, seen = ffi.cdef, {}
  function ffi.cdef(text, ...) ---@diagnostic disable-line: duplicate-set-field
    if select('#', ...) > 0 or type(text) ~= 'string' then
      return cdef(text, ...)
    elseif not seen[text] then
      cdef(text)
      seen[text] = true
    end
  end
end

-- Forgets the modules of scripts, so that they are loaded anew. Returns what puts them back.
---@return fun()
function M.forget_modules()
  if not baseline then
    baseline = {}
    for name in pairs(package.loaded) do
      baseline[name] = true
    end
    forgive_cdef()
    package.loaders[2] = find_module
  end
  source.begin()
  local before = {}
  for name, module in pairs(package.loaded) do
    if file_of(name) then
      before[name] = module
    end
  end
  for name in pairs(before) do
    package.loaded[name] = nil
  end
  return function()
    for name in pairs(package.loaded) do
      if file_of(name) then
        package.loaded[name] = nil
      end
    end
    for name, module in pairs(before) do
      package.loaded[name] = module
    end
  end
end

-- Globals belong to the VM. Called before scripts load; what it returns is called when they have, and returns
-- what puts back the globals that they set.
---@return fun(): fun()
function M.watch_globals()
  local before = {}
  for name, value in next, _G do
    before[name] = value
  end
  return function()
    local set = {}
    for name, value in next, _G do
      set[name] = not rawequal(before[name], value) or nil
    end
    for name in next, before do
      set[name] = set[name] or rawget(_G, name) == nil or nil
    end
    return function()
      for name in pairs(set) do
        rawset(_G, name, before[name])
      end
    end
  end
end

-- Sixteen digits that tell the sources apart: the entrypoint and the modules beside it that it loaded.
---@param path string
---@return string
function M.hash(path)
  local files, folder = {}, (path:match '^(.*)/[^/]*$' or '.') .. '/'
  for name in pairs(package.loaded) do
    local file = file_of(name)
    if file and file:sub(1, #folder) == folder then
      files[#files + 1] = file
    end
  end
  table.sort(files)
  M.give_way()
  table.insert(files, 1, path)
  local texts = {}
  for i, file in ipairs(files) do
    local text = source.text(file)
    texts[i] = #text .. ' ' .. text
  end
  source.finish()
  M.give_way()
  return core.sha256(table.concat(texts)):sub(1, 16)
end

return M
