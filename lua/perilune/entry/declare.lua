-- SPDX-License-Identifier: MIT
-- Loading declares: while an entrypoint loads, exports, refers, listeners and hooks are only written
-- down. When every VM has loaded the same declarations they are committed, in this order: exporters,
-- clusters, start functions, main. The same text describes what a VM declared (`digest`), so that
-- VMs which loaded different things are found before anything opens.
local core = require 'perilune.core'
local errors = require 'perilune.error'
local exporter = require 'perilune.entry.exporter'
local fiber = require 'perilune.fiber'
local names = require 'perilune.entry.names'
local options = require 'perilune.entry.options'
local paths = require 'perilune.path'
local plugin = require 'perilune.plugin'
local referer = require 'perilune.entry.referer'
local warmup = require 'perilune.entry.warmup'

local M = {}

local REASON = 'cannot wait while loading; use perilune.main or perilune.start'

---@class perilune.Declarations
---@field exports table[]
---@field refers table[]
---@field listens table[]
---@field starts function[]
---@field stops function[]
---@field main function?

local function empty()
  return { exports = {}, refers = {}, listens = {}, starts = {}, stops = {} }
end

local current = empty()
local loading = false

-- Forgets what was declared (specs, and commands that declare nothing).
function M.begin()
  current = empty()
end

---@return perilune.Declarations
function M.declarations()
  return current
end

---@return boolean
function M.is_loading()
  return loading
end

-- What a script calls while it loads must stand in one place; outside of loading exports and refers
-- open at once (specs, the command line, start functions).
---@param spec perilune.ExportSpec
---@return {close: fun()}
function M.export(spec)
  local checked = options.check('export', spec)
  for _, other in ipairs(current.exports) do
    if other.interface == checked.interface and other.alias == checked.alias then
      error(('%s: declared already at %s'):format(checked.title, other.place), 0)
    end
  end
  checked.compiled = exporter.compile(checked)
  if loading then
    table.insert(current.exports, checked)
  else
    local id, message = exporter.open(checked)
    if not id then
      error(message, 0)
    end
  end
  return {
    close = function()
      exporter.close(checked)
    end,
  }
end

---@param spec perilune.ReferSpec
---@return perilune.Proxy
function M.refer(spec)
  local checked = options.check('refer', spec)
  local made = referer.new(checked)
  table.insert(current.refers, checked)
  return made
end

---@param spec string|perilune.ListenSpec
function M.listen(spec)
  local checked = options.check('listen', type(spec) == 'string' and { url = spec } or spec)
  if not loading then
    error(checked.title .. ': listen belongs at the top level of the entrypoint', 0)
  end
  local wrong = names.listener(checked.url)
  if wrong then
    error(('%s: %s'):format(checked.title, wrong), 0)
  end
  table.insert(current.listens, checked)
end

local function hook(list, name)
  return function(fn)
    if type(fn) ~= 'function' then
      error(('%s: perilune.%s needs a function'):format(plugin.place(), name), 0)
    end
    table.insert(current[list], fn)
  end
end
M.start = hook('starts', 'start')
M.stop = hook('stops', 'stop')

-- Declares what runs once per process when everything is open; its result is the exit code.
---@param fn async fun(args: string[]): integer?
function M.main(fn)
  if type(fn) ~= 'function' then
    error(plugin.place() .. ': perilune.main needs a function', 0)
  elseif current.main then
    error(plugin.place() .. ': perilune.main was declared already', 0)
  end
  current.main = fn
end

-- What a script threw, in one line that names the script. The rest is in the log at level debug.
local function thrown(path, err)
  if type(err) ~= 'string' and not errors.is(err) then
    return ('%s: threw a %s instead of a message'):format(path, type(err))
  end
  local line = tostring(err):match '^[^\n]*'
  return line:find(path, 1, true) and line or ('%s: %s'):format(path, line)
end

-- What can only be told once everything is loaded: names of policies that the script may register
-- after it used them.
local function check_refers()
  for _, spec in ipairs(current.refers) do
    local message = referer.check(spec)
    if message then
      error(('%s: %s'):format(spec.title, message), 0)
    end
  end
end

-- Loads an entrypoint. Nothing opens. Returns the declarations, or nil and one line that says what
-- is wrong (a traceback goes to the log at level debug).
---@param path string
---@param args? string[]
---@return perilune.Declarations?
---@return string? message
function M.load(path, args)
  M.begin()
  paths.add_script(path:match '^(.*)/[^/]*$' or '.')
  local chunk, message = loadfile(path)
  if not chunk then
    return nil, message
  end
  loading = true
  local before = fiber.forbidden
  fiber.forbidden = REASON
  local ok, err = xpcall(chunk, function(text)
    core.log('debug', 'SCRIPT-LOAD', debug.traceback(tostring(text), 2))
    return text
  end, unpack(args or {}))
  if ok then
    ok, err = pcall(check_refers)
  end
  fiber.forbidden = before
  loading = false
  if not ok then
    return nil, thrown(path, err)
  end
  return current
end

local function names_of(spec)
  local parts = {}
  for i, method in ipairs(spec.compiled) do
    parts[i] = method.name .. '(' .. table.concat(method.chain_names, '>') .. ')'
  end
  return table.concat(parts, ' ')
end

-- The declarations as sorted text, a line each.
---@return string
function M.digest()
  local lines = {}
  for _, spec in ipairs(current.exports) do
    lines[#lines + 1] = ('export %s:%s %s'):format(spec.interface, spec.alias, names_of(spec))
  end
  for _, spec in ipairs(current.refers) do
    lines[#lines + 1] = ('refer %s:%s at %s'):format(spec.interface, spec.alias, spec.place)
  end
  for _, spec in ipairs(current.listens) do
    lines[#lines + 1] = 'listen ' .. spec.url
  end
  lines[#lines + 1] = ('start %d stop %d main %s'):format(
    #current.starts,
    #current.stops,
    tostring(current.main ~= nil)
  )
  table.sort(lines)
  return table.concat(lines, '\n')
end

-- Opens what was declared in this VM. `serve`: also the exporters (workers do, the control VM not).
-- Undone if a later step fails. Returns true, or nil and what failed.
---@async
---@param serve boolean
---@return boolean?
---@return string? message
function M.commit(serve)
  local opened = {}
  local function undo(message)
    for i = #opened, 1, -1 do
      opened[i]()
    end
    return nil, message
  end
  for _, spec in ipairs(serve and current.exports or {}) do
    local id, message = exporter.open(spec)
    if not id then
      return undo(message)
    end
    opened[#opened + 1] = function()
      exporter.close(spec)
    end
  end
  for _, spec in ipairs(serve and current.refers or {}) do
    local cluster, message = referer.open(spec)
    if not cluster then
      return undo(message)
    end
    opened[#opened + 1] = function()
      referer.close(spec)
    end
  end
  for _, fn in ipairs(serve and current.starts or {}) do
    local ok, err = xpcall(fn, function(text)
      core.log('debug', 'START', debug.traceback(tostring(text), 2))
      return text
    end)
    if not ok then
      return undo('perilune.start: ' .. tostring(err):match '^[^\n]*')
    end
  end
  for _, spec in ipairs(serve and current.exports or {}) do
    local ok, message = warmup.run(spec)
    if not ok then
      return undo(message)
    end
  end
  return true
end

-- Ends what commit opened: stop functions, clusters. Exporters stay until the connections are gone,
-- so that late calls are refused as SHUTDOWN and not as unknown.
---@async
function M.close()
  for i = #current.stops, 1, -1 do
    local ok, err = xpcall(current.stops[i], debug.traceback)
    if not ok then
      core.log('error', 'STOP', tostring(err))
    end
  end
  for _, spec in ipairs(current.refers) do
    referer.close(spec)
  end
end

return M
