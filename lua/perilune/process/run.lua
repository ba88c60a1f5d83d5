-- SPDX-License-Identifier: MIT
-- The life of a process that runs an entrypoint, as the control VM leads it:
--
--   load here -> bind -> start workers, each loads the same file -> compare -> commit everywhere
--   -> accept -> register -> READY -> main -> (SIGTERM) deregister -> goodbye -> drain -> end
--
-- Until the commit nothing is open but bound sockets that nobody accepts on, so that a failure at
-- any step leaves nothing half-started. Everything here runs in fibers of the control VM.
local admin = require 'perilune.process.admin'
local core = require 'perilune.core'
local declare = require 'perilune.entry.declare'
local events = require 'perilune.events'
local gather = require 'perilune.process.gather'
local options = require 'perilune.entry.options'
local registration = require 'perilune.process.registration'
local settings = require 'perilune.process.settings'

local M = {}

local WORKER = "require('perilune.process.worker').main(...)"
local LOAD_MS = 60000
local COMMIT_MS = 60000
local DEREGISTER_MS = 3000
local REGISTER_MS = 2000

---@class perilune.process.Options
---@field path string
---@field args string[]
---@field workers? integer
---@field stall_timeout? integer  ms
---@field drain_timeout? integer  ms
---@field port_file? string
---@field defaults? table

local state = { draining = false, registrations = {} }

local function lines_of(text)
  local set, list = {}, {}
  for line in (text or ''):gmatch '[^\n]+' do
    set[line] = true
    list[#list + 1] = line
  end
  return set, list
end

-- The first line that one declares and the other does not.
---@param ours string
---@param theirs string
---@return string
function M.difference(ours, theirs)
  local our_set, our_list = lines_of(ours)
  local their_set, their_list = lines_of(theirs)
  for _, line in ipairs(our_list) do
    if not their_set[line] then
      return ("'%s' is missing in it"):format(line)
    end
  end
  for _, line in ipairs(their_list) do
    if not our_set[line] then
      return ("'%s' is only in it"):format(line)
    end
  end
  return 'the same lines in different number'
end

local function bind(listens)
  local bound = {}
  for i, listen in ipairs(listens) do
    local url, message = core.listen(listen.url, listen.protocols)
    if not url then
      return nil, message
    end
    bound[i] = url
  end
  return bound
end

-- Waits for a letter of each worker and finds the first that reports a failure.
local function all_ok(replies, workers, ms, what)
  if not replies.wait(ms) then
    return nil,
      ('%d of %d workers did not %s in time'):format(workers - replies.count, workers, what)
  end
  for worker = 1, workers do
    local reply = replies.replies[worker]
    if not reply.ok then
      return nil, reply.message or ('worker %d could not %s'):format(worker, what)
    end
  end
  return true
end

local function start_workers(conf, count)
  local loaded = gather('loaded', count)
  local argument = core.encode {
    path = conf.path,
    args = core.array and core.array(conf.args) or conf.args,
    defaults = conf.defaults,
    limits = settings.limits_of(conf),
  }
  local ok, message = core.start_workers(count, WORKER, argument)
  if not ok then
    return nil, message
  end
  ok, message = all_ok(loaded, count, LOAD_MS, 'load ' .. conf.path)
  if not ok then
    return nil, message
  end
  local ours = declare.digest()
  for worker = 1, count do
    local theirs = loaded.replies[worker].digest
    if theirs ~= ours then
      return nil,
        ('%s: worker %d declared something else: %s; let every VM declare the same'):format(
          conf.path,
          worker,
          M.difference(ours, theirs)
        )
    end
  end
  return true
end

local function commit(count)
  local committed = gather('committed', count)
  core.post(-1, 'commit', '')
  local ok, message = all_ok(committed, count, COMMIT_MS, 'commit')
  if not ok then
    return nil, message
  end
  return declare.commit(false)
end

-- READY means that consumers can find us, unless a registry is down.
local function register(declarations, bound)
  state.registrations = registration.open(declarations.exports, bound)
  local till = core.clock() + REGISTER_MS
  while not registration.all_listed(state.registrations) and core.clock() < till do
    core.sleep(5)
  end
  return true
end

local function deregister()
  local waiting = #state.registrations
  local me = core.fiber()
  for _, listed in ipairs(state.registrations) do
    core.spawn(function()
      local ok, message = pcall(registration.close, listed)
      if not ok then
        core.log('warn', 'DEREGISTER', tostring(message))
      end
      waiting = waiting - 1
      if waiting == 0 then
        core.wake(me, true)
      end
    end, nil, nil, true)
  end
  if waiting > 0 then
    core.park(DEREGISTER_MS)
  end
  state.registrations = {}
end

-- Ends the service in order; every step is bounded. The exit code is `code`, or 1 when calls had to
-- be cut off.
---@async
---@param code integer
function M.drain(code)
  if state.draining then
    return
  end
  state.draining = true
  admin.publish('ready', false)
  core.notify 'STOPPING=1'
  events.broadcast 'process.drain'
  deregister()
  core.stop_accepting()
  local drained = gather('drained', state.workers)
  core.post(-1, 'drain', core.encode { timeout = state.drain_timeout })
  local complete = drained.wait(state.drain_timeout + 2000)
  pcall(declare.close)
  pcall(registration.close_all)
  local cut = 0
  for _, reply in pairs(drained.replies) do
    cut = cut + (reply.finished and 0 or reply.left or 0)
  end
  if not complete or cut > 0 then
    core.log('error', 'DRAIN-CUT', ('%d calls were cut off by the drain time-out'):format(cut))
    code = code ~= 0 and code or 1
  end
  core.exit(code)
end

local function on_signal(name)
  if name == 'drain' then
    core.log('info', 'DRAIN', 'finishing calls in progress; a second signal ends at once')
    M.drain(0)
  else
    core.log(
      'warn',
      'RELOAD',
      'reloading is not there yet; restart the process, SIGTERM loses no call'
    )
  end
end

local function names_of(declarations)
  local names = {}
  for i, export in ipairs(declarations.exports) do
    names[i] = export.alias ~= '' and export.interface .. ':' .. export.alias or export.interface
  end
  return names
end

local function announce(conf, declarations, bound)
  local names = names_of(declarations)
  admin.publish('script', conf.path)
  admin.publish('started', core.walltime())
  admin.publish('listening', core.encode(core.array and core.array(bound) or bound))
  admin.publish('services', core.encode(core.array and core.array(names) or names))
  admin.publish('ready', true)
  core.notify 'READY=1'
  events.broadcast('process.ready', { listening = bound })
  if #bound > 0 then
    core.log(
      'info',
      'READY',
      ('serving %s on %s'):format(table.concat(names, ', '), table.concat(bound, ', '))
    )
  end
end

local function run_main(declarations, bound)
  if not declarations.main then
    return
  end
  core.on_message('main_done', function(payload)
    local reply = core.decode(payload)
    if reply.message then
      core.log('error', 'MAIN', reply.message)
    end
    if #bound == 0 then
      M.drain(reply.code)
    end
  end)
  core.post(1, 'main', '')
end

local function has_work(declarations)
  return declarations.main or #declarations.listens > 0 or #declarations.starts > 0
end

local function worker_count(conf, declarations)
  return conf.workers or (#declarations.listens > 0 and core.cores() or 1)
end

-- Runs an entrypoint. Returns true once it is ready (the process then goes on until a signal, or
-- until main returns), or nil and one line that says what to do.
---@async
---@param conf perilune.process.Options
---@return boolean?
---@return string? message
function M.start(conf)
  settings.apply(settings.limits_of(conf))
  core.limit_connections(settings.limits_of(conf))
  if conf.defaults then
    options.set_defaults(conf.defaults)
  end
  local declarations, message = declare.load(conf.path, conf.args)
  if not declarations then
    return nil, message
  elseif not has_work(declarations) then
    return nil,
      conf.path
        .. ' declares nothing to do; give it perilune.listen, perilune.start or perilune.main'
  end
  state.workers = worker_count(conf, declarations)
  state.drain_timeout = conf.drain_timeout or 30000
  core.supervise { stall_ms = conf.stall_timeout, drain_ms = state.drain_timeout }
  core.on_signal(on_signal)
  message = registration.check(declarations.exports)
  if message then
    return nil, message
  end
  local bound
  bound, message = bind(declarations.listens)
  if not bound then
    return nil, message
  end
  registration.serve()
  events.serve()
  local ok
  for _, step in ipairs {
    function()
      return start_workers(conf, state.workers)
    end,
    function()
      return commit(state.workers)
    end,
    function()
      return core.accept()
    end,
    function()
      return register(declarations, bound)
    end,
    function()
      return not conf.port_file or core.write_ports(conf.port_file)
    end,
  } do
    ok, message = step()
    if not ok then
      return nil, message or 'the process could not start'
    end
  end
  announce(conf, declarations, bound)
  run_main(declarations, bound)
  return true
end

return M
