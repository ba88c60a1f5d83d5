-- SPDX-License-Identifier: MIT
-- Loading declares: while an entrypoint loads, exports, refers, listeners and hooks are only written
-- down. When every VM has loaded the same declarations they are committed, in this order: exporters,
-- clusters, start functions, main. The same text describes what a VM declared (`digest`), so that
-- VMs which loaded different things are found before anything opens.
local core = require 'perilune.core'
local errors = require 'perilune.error'
local exporter = require 'perilune.entry.exporter'
local generation = require 'perilune.generation'
local interfaces = require 'perilune.entry.interface'
local names = require 'perilune.entry.names'
local options = require 'perilune.entry.options'
local paths = require 'perilune.path'
local plugin = require 'perilune.plugin'
local referer = require 'perilune.entry.referer'
local source = require 'perilune.source'
local ticker = require 'perilune.entry.ticker'
local waiting = require 'perilune.waiting'
local toplevel = require 'perilune.entry.toplevel'
local warmup = require 'perilune.entry.warmup'

local M = {}

local REASON = 'cannot wait while loading; use perilune.main or perilune.start'

---@class perilune.Declarations
---@field number integer   of the generation, 0 = what no script declared while it loaded
---@field path? string
---@field hash? string     of the sources
---@field exports table[]
---@field refers table[]
---@field listens table[]
---@field starts function[]
---@field stops function[]
---@field tickers perilune.Ticker[]
---@field main? function
---@field restore_modules? fun()  puts back the modules of the generation before
---@field restore_globals? fun()  puts back the globals that it set
---@field started? boolean  start functions ran, or began to, in this VM
---@field discarded? boolean  the reload was given up
---@field pinned? boolean   perilune.main runs with it

local function empty(number)
  return {
    number = number,
    exports = {},
    refers = {},
    listens = {},
    starts = {},
    stops = {},
    tickers = {},
  }
end

local all = { [0] = empty(0) } ---@type table<integer, perilune.Declarations>  by generation

-- What the running code declares belongs here.
local function current()
  return all[generation.owner()] or all[0]
end

-- Forgets what was declared (specs, and commands that declare nothing).
function M.begin()
  all = { [0] = empty(0) }
end

-- What a generation declared; without a number the active one, or what was declared without loading.
---@param number? integer
---@return perilune.Declarations
function M.declarations(number)
  return all[number or generation.active] or all[0]
end

-- What is wrong with declarations that leave a process nothing to do, or nil.
---@param mine perilune.Declarations
---@return string? message
function M.idle(mine)
  if not mine.main and #mine.listens + #mine.starts + #mine.tickers == 0 then
    local text =
      '%s declares nothing to do; give it perilune.listen, perilune.start or perilune.main'
    return text:format(mine.path)
  end
end

---@param number integer
function M.forget(number)
  all[number] = nil
end

---@return boolean
function M.is_loading()
  return generation.loading ~= false
end

local function remove(list, item)
  for i, other in ipairs(list) do
    if other == item then
      table.remove(list, i)
      return
    end
  end
end

-- Is the code that runs part of a generation that is not the active one yet? What it exports opens
-- when that is.
local function is_pending()
  return generation.owner() > generation.active
end

-- What a script calls while it loads must stand in one place; outside of loading exports and refers
-- open at once (specs, the command line, start functions).
---@param spec perilune.ExportSpec
---@return {close: fun()}
function M.export(spec)
  generation.give_way()
  local plain, java = interfaces.split(spec)
  local checked = options.check('export', plain)
  checked.java = java
  local mine = current()
  for _, other in ipairs(mine.exports) do
    if other.interface == checked.interface and other.alias == checked.alias then
      error(('%s: declared already at %s'):format(checked.title, other.place), 0)
    end
  end
  checked.generation = mine.number
  generation.give_way()
  checked.compiled = exporter.compile(checked)
  generation.give_way()
  if not M.is_loading() and not is_pending() then
    local id, message = exporter.open(checked)
    if not id then
      error(message, 0)
    end
  end
  if mine.number ~= 0 then
    table.insert(mine.exports, checked)
  end
  return {
    close = function()
      remove(mine.exports, checked)
      exporter.close(checked)
    end,
  }
end

---@param spec perilune.ReferSpec
---@return perilune.Proxy
function M.refer(spec)
  generation.give_way()
  local plain, java = interfaces.split(spec)
  local checked = options.check('refer', plain)
  checked.java = java
  local made = referer.new(checked)
  table.insert(current().refers, checked)
  return made
end

-- The filters of each method of an exported interface, outermost first.
---@param interface string
---@param mine? perilune.Declarations  default those of the active generation
---@return {alias: string, method: string, filters: string[]}[] rows
---@return string[] known  every exported interface
function M.chains(interface, mine)
  local rows, known = {}, {}
  for _, export in ipairs((mine or M.declarations()).exports) do
    known[#known + 1] = export.interface
    for _, method in ipairs(export.interface == interface and export.compiled or {}) do
      rows[#rows + 1] = {
        alias = export.alias,
        method = method.name,
        filters = core.array({ unpack(method.chain_names) }),
      }
    end
  end
  return rows, known
end

-- Ends a refer that was made while the process runs.
---@param refer table  checked
function M.unrefer(refer)
  remove(current().refers, refer)
  referer.close(refer)
end

-- What one might look for here.
local ELSEWHERE = {
  tls = 'TLS is not there yet; let a proxy in front end it',
  auth = 'who may call is said by services: perilune.export { auth = ... }',
}

---@param spec string|perilune.ListenSpec
function M.listen(spec)
  for option, text in pairs(type(spec) == 'table' and ELSEWHERE or {}) do
    if spec[option] ~= nil then
      local title = "%s: listen '%s': no setting '%s': %s"
      error(title:format(plugin.place(), tostring(spec.url), option, text), 0)
    end
  end
  local checked = options.check('listen', type(spec) == 'string' and { url = spec } or spec)
  if not M.is_loading() then
    error(checked.title .. ': listen belongs at the top level of the entrypoint', 0)
  end
  local wrong = names.listener(checked.url) or names.protocols(checked.protocols)
  if wrong then
    error(('%s: %s'):format(checked.title, wrong), 0)
  end
  table.insert(current().listens, checked)
end

local function hook(list, name)
  return function(fn)
    if type(fn) ~= 'function' then
      error(('%s: perilune.%s needs a function'):format(plugin.place(), name), 0)
    end
    table.insert(current()[list], fn)
  end
end
M.start = hook('starts', 'start')
M.stop = hook('stops', 'stop')

-- Declares what runs once per process when everything is open; its result is the exit code.
---@param fn async fun(args: string[]): integer?
function M.main(fn)
  if type(fn) ~= 'function' then
    error(plugin.place() .. ': perilune.main needs a function', 0)
  elseif current().main then
    error(plugin.place() .. ': perilune.main was declared already', 0)
  end
  current().main = fn
end

-- Calls `fn(turn)` every `period` ms in each worker, in a coroutine of its own, never two at once. A
-- turn whose time is over before the last one ended is left out.
---@param period number
---@param fn async fun(turn: integer)
---@return perilune.Ticker
function M.every(period, fn)
  local made, mine = ticker.new(period, fn), current()
  table.insert(mine.tickers, made)
  function made:stop()
    remove(mine.tickers, self)
    ticker.stop(self)
  end
  if not M.is_loading() and not is_pending() then
    made:begin(mine.number)
  end
  return made
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
local function check_names()
  for _, spec in ipairs(current().exports) do
    local message = spec.registry and names.registry(spec.registry)
    if message then
      error(('%s: %s'):format(spec.title, message), 0)
    end
  end
  for _, spec in ipairs(current().refers) do
    local message = referer.check(spec)
    if message then
      error(('%s: %s'):format(spec.title, message), 0)
    end
  end
end

local function on_thrown(text)
  core.log('debug', 'SCRIPT-LOAD', debug.traceback(tostring(text), 2))
  return text
end

local function run_chunk(chunk, args, ms)
  local before = waiting.forbidden
  waiting.forbidden = REASON
  local ok, err = toplevel.run(ms, chunk, on_thrown, unpack(args or {}))
  if ok then
    ok, err = pcall(check_names)
  end
  waiting.forbidden = before
  return ok, err
end

-- Loads an entrypoint as generation `number`. Nothing opens. Returns the declarations, or nil and one
-- line that says what is wrong (a traceback goes to the log at level debug).
---@param path string
---@param args? string[]
---@param number? integer  default: the active one
---@param ms? number  of a process that serves: longest time it may take, 0 = any
---@return perilune.Declarations?
---@return string? message
function M.load(path, args, number, ms)
  number = number or generation.active
  all[number] = empty(number)
  paths.add_script(path:match '^(.*)/[^/]*$' or '.')
  all[number].restore_modules = generation.forget_modules()
  local chunk, message = source.file(path)
  if not chunk then
    return nil, message
  end
  generation.loading = number
  generation.give_way()
  local loaded = generation.watch_globals()
  local ok, err = run_chunk(chunk, args, ms)
  all[number].restore_globals = loaded()
  all[number].hash = ok and generation.hash(path) or nil
  generation.loading = false
  if not ok then
    return nil, thrown(path, err)
  end
  all[number].path = path
  return all[number]
end

local function names_of(spec)
  local parts = {}
  for i, method in ipairs(spec.compiled) do
    parts[i] = method.name .. '(' .. table.concat(method.chain_names, '>') .. ')'
  end
  return table.concat(parts, ' ')
end

-- The declarations as sorted text, a line each.
---@param number? integer
---@return string
function M.digest(number)
  local mine = M.declarations(number)
  local lines = { 'source ' .. tostring(mine.hash) }
  for _, spec in ipairs(mine.exports) do
    lines[#lines + 1] = ('export %s:%s %s'):format(spec.interface, spec.alias, names_of(spec))
  end
  for _, spec in ipairs(mine.refers) do
    lines[#lines + 1] = ('refer %s:%s at %s'):format(spec.interface, spec.alias, spec.place)
  end
  for _, spec in ipairs(mine.listens) do
    lines[#lines + 1] = 'listen ' .. spec.url
  end
  lines[#lines + 1] = ('start %d stop %d every %d main %s'):format(
    #mine.starts,
    #mine.stops,
    #mine.tickers,
    tostring(mine.main ~= nil)
  )
  table.sort(lines)
  return table.concat(lines, '\n')
end

local function warm_up(mine)
  for _, spec in ipairs(mine.exports) do
    local _, done, message = generation.run(mine.number, warmup.run, spec)
    if done ~= true then
      return tostring(message or done)
    end
  end
end

-- Refers that want a provider to be there at the start wait for the first one, all of them together.
local function check_providers(mine)
  local began = core.clock()
  for _, spec in ipairs(mine.refers) do
    if spec.check then
      local left = math.max(0, began + spec.connect_timeout - core.clock())
      local ready, err = spec.ready(left)
      if not ready then
        local text = '%s: no provider within %d ms (check): %s'
        return text:format(spec.title, spec.connect_timeout, err.message)
      end
    end
  end
end

-- Waits for the providers that must be there, runs the start functions of a generation, one after the
-- other, then its warm-ups. Returns what failed.
---@async
---@param mine perilune.Declarations
---@return string? message
function M.run_starts(mine)
  mine.started = true
  local missing = check_providers(mine)
  if missing then
    return missing
  end
  for _, fn in ipairs(mine.starts) do
    local ok, err = generation.run(mine.number, fn)
    if mine.discarded then
      return 'the reload was given up'
    elseif not ok then
      core.log('debug', 'START', tostring(err))
      return 'perilune.start: ' .. tostring(err):match '^[^\n]*'
    end
  end
  return warm_up(mine)
end

-- Runs the stop functions of a generation, the last one first.
---@async
---@param mine perilune.Declarations
function M.run_stops(mine)
  for i = #mine.stops, 1, -1 do
    local ok, err = generation.run(mine.number, mine.stops[i])
    if not ok then
      core.log('error', 'STOP', tostring(err))
    end
  end
end

-- Opens what was declared in this VM. `serve`: also the exporters (workers do, the control VM not).
-- Undone if a later step fails. Returns true, or nil and what failed.
---@async
---@param serve boolean
---@return boolean?
---@return string? message
function M.commit(serve)
  if not serve then
    return true
  end
  local opened, mine = {}, M.declarations()
  local function undo(message)
    for i = #opened, 1, -1 do
      opened[i]()
    end
    return nil, message
  end
  for _, spec in ipairs(mine.exports) do
    local id, message = exporter.open(spec)
    if not id then
      return undo(message)
    end
    opened[#opened + 1] = function()
      exporter.close(spec)
    end
  end
  for _, spec in ipairs(mine.refers) do
    local cluster, message = referer.open(spec)
    if not cluster then
      return undo(message)
    end
    opened[#opened + 1] = function()
      referer.close(spec)
    end
  end
  local message = M.run_starts(mine)
  if message then
    return undo(message)
  end
  for _, each in ipairs(mine.tickers) do
    each:begin(mine.number)
  end
  return true
end

-- Ends what commit opened: stop functions, clusters. Exporters stay until the connections are gone,
-- so that late calls are refused as SHUTDOWN and not as unknown.
---@async
function M.close()
  for _, mine in pairs(all) do
    for _, each in ipairs(mine.tickers) do
      ticker.stop(each)
    end
  end
  local active = M.declarations()
  if active.started or active.number == 0 then -- the control VM started nothing
    M.run_stops(active)
  end
  for _, mine in pairs(all) do
    for _, spec in ipairs(mine.refers) do
      referer.close(spec)
    end
  end
end

return M
