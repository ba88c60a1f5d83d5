-- SPDX-License-Identifier: MIT
-- The life of a process that runs an entrypoint, as the control VM leads it:
--
--   load here -> bind -> start workers, each loads the same file -> compare -> commit everywhere
--   -> accept -> register -> READY -> main -> (SIGTERM) deregister -> goodbye -> drain -> end
--
-- Until the commit nothing is open but bound sockets that nobody accepts on, so that a failure at
-- any step leaves nothing half-started. Everything here runs in fibers of the control VM.
local admin = require 'perilune.process.admin'
local attach = require 'perilune.process.attach'
local core = require 'perilune.core'
local declare = require 'perilune.entry.declare'
local difference = require 'perilune.process.difference'
local events = require 'perilune.events'
local executors = require 'perilune.entry.executors'
local exit = require 'perilune.exit'
local fibers = require 'perilune.process.fibers'
local gather = require 'perilune.process.gather'
local generation = require 'perilune.generation'
local options = require 'perilune.entry.options'
local registration = require 'perilune.process.registration'
local reload = require 'perilune.process.reload'
local settings = require 'perilune.process.settings'
local vms = require 'perilune.process.vms'

local M = {}

local LOAD_MS = 60000
local COMMIT_MS = 60000
local DEREGISTER_MS = 3000
local REGISTER_MS = 2000
local EXECUTOR_DRAIN_MS = 1000

---@class perilune.process.Options
---@field path string
---@field args string[]
---@field workers? integer
---@field stall_timeout? integer  ms
---@field drain_timeout? integer  ms
---@field port_file? string
---@field defaults? table
---@field reload_grace? integer  ms
---@field reread? fun(): perilune.process.Options?, string?  the configuration as it is now

local state = { draining = false, registrations = {} }

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

local function start_workers(conf, count, more)
  local loaded = gather('loaded', count + more)
  local argument = core.encode {
    path = conf.path,
    args = core.array and core.array(conf.args) or conf.args,
    defaults = conf.defaults,
    services = conf.services,
    references = conf.references,
    limits = settings.limits_of(conf),
  }
  vms.workers, vms.count = count, count + more
  local ok, message = core.start_workers(count, vms.SOURCE, argument, more)
  if not ok then
    return nil, message
  end
  loaded.wait(LOAD_MS)
  message = vms.failure(loaded, 'load ' .. conf.path)
    or difference.among(conf.path, declare.digest(), loaded.replies)
  return not message, message
end

local function commit()
  local _, message = vms.ask('commit', {}, 'committed', COMMIT_MS, 'commit')
  if message then
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

local function drain_vms(timeout, first, last)
  if first > last then
    return { replies = {}, count = 0 }
  end
  local payload = { timeout = timeout }
  return (vms.ask('drain', payload, 'drained', timeout + 2000, 'drain', first, last))
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
  reload.settle()
  events.publish 'process.drain'
  registration.close_list(state.registrations, DEREGISTER_MS)
  state.registrations = {}
  core.stop_accepting()
  local drained = drain_vms(state.drain_timeout, 1, vms.workers)
  drain_vms(EXECUTOR_DRAIN_MS, vms.workers + 1, vms.count) -- they have nothing left to run
  pcall(declare.close)
  pcall(registration.close_all)
  local cut = 0
  for _, reply in pairs(drained.replies) do
    cut = cut + (reply.finished and 0 or reply.left or 0)
  end
  if drained.count < vms.workers or cut > 0 then
    core.log('error', 'DRAIN-CUT', ('%d calls were cut off by the drain time-out'):format(cut))
    code = code ~= 0 and code or 1
  end
  core.exit(code)
end

local function on_signal(name)
  if name == 'drain' then
    core.log('info', 'DRAIN', 'finishing calls in progress; a second signal ends at once')
    M.drain(0)
  elseif reload.waiting() == 0 then
    reload.run(state)
  end
end

-- A script called os.exit.
local function leave(code, place)
  if not state.ready then
    return core.exit(code)
  elseif not state.draining and #state.bound > 0 then
    local text = 'os.exit(%d) at %s: finishing calls in progress'
    core.log('info', 'EXIT', text:format(code, place))
  end
  M.drain(code)
end

local function on_exit_letter(payload)
  local request = core.decode(payload)
  leave(request.code, request.place)
end

-- A worker was asked to have the process reloaded.
local function on_reload_letter(payload, worker)
  local request = core.decode(payload)
  local result, message = reload.run(state)
  core.post(
    worker,
    'reload.answer',
    core.encode {
      id = request.id,
      result = result,
      message = message,
    }
  )
end

local function names_of(declarations)
  local names = {}
  for i, export in ipairs(declarations.exports) do
    names[i] = export.alias ~= '' and export.interface .. ':' .. export.alias or export.interface
  end
  return names
end

local function list(values)
  return core.encode(core.array and core.array(values) or values)
end

-- What status tells of the declarations that are in service now.
local function publish(declarations)
  admin.publish('listening', list(state.bound))
  admin.publish('services', list(names_of(declarations)))
  admin.loaded(declarations)
end
state.announce = publish

local function announce(declarations)
  admin.publish('script', state.conf.path)
  admin.publish('started', core.walltime())
  publish(declarations)
  state.ready, exit.forbidden = true, false
  function exit.leave(code, place)
    core.spawn(leave, code, place, true)
  end
  admin.publish('ready', true)
  core.notify 'READY=1'
  events.publish('process.ready', { listening = state.bound })
  if #state.bound > 0 then
    local names, urls = names_of(declarations), state.bound
    local text = 'serving %s on %s'
    core.log('info', 'READY', text:format(table.concat(names, ', '), table.concat(urls, ', ')))
  end
end

local function run_main(declarations)
  if not declarations.main then
    return
  end
  core.on_message('main_done', function(payload)
    local reply = core.decode(payload)
    if reply.message then
      core.log('error', 'MAIN', reply.message)
    end
    if #state.bound == 0 then
      M.drain(reply.code)
    end
  end)
  core.post(1, 'main', '')
end

local function worker_count(conf, declarations)
  return conf.workers or (#declarations.listens > 0 and core.cores() or 1)
end

-- Puts settings into the process that may change while it runs.
local function supervise(conf)
  state.drain_timeout = conf.drain_timeout or 30000
  core.supervise {
    stall_ms = conf.stall_timeout,
    drain_ms = state.drain_timeout,
    executor_stall_ms = conf.executor_stall,
  }
end

-- After a reload: what changed and cannot, or has no effect, is told in the log and to who asked for it.
function state.applied(conf, unmatched)
  supervise(conf)
  local notes = {}
  for i, text in ipairs(unmatched) do
    notes[i] = text
    core.log('warn', 'CONFIG', text)
  end
  for _, name in ipairs(settings.fixed) do
    if conf[name] ~= state.conf[name] then
      local stays = name == 'workers' and vms.workers or state.conf[name] or 'the default'
      notes[#notes + 1] = ("setting '%s' needs a restart: %s stays"):format(name, tostring(stays))
      core.log('warn', 'RELOAD', notes[#notes])
    end
  end
  return notes
end

function state.settings()
  if state.conf.reread then
    return state.conf.reread()
  end
  local copy = {}
  for key, value in pairs(state.conf) do
    copy[key] = value
  end
  return copy
end

local function load(conf)
  exit.forbidden = exit.of_embedded()
  local limits = settings.limits_of(conf)
  settings.apply(limits)
  core.limit_connections(limits)
  generation.activate(1)
  options.configure(conf)
  local declarations, message = declare.load(conf.path, conf.args)
  if not declarations then
    return nil, message
  end
  for _, unmatched in ipairs(options.unmatched()) do
    core.log('warn', 'CONFIG', unmatched)
  end
  registration.host = conf.host
  message = declare.idle(declarations) or registration.check(declarations.exports)
  return not message and declarations or nil, message
end

-- Runs an entrypoint. Returns true once it is ready (the process then goes on until a signal, or
-- until main returns), or nil and one line that says what to do.
---@async
---@param conf perilune.process.Options
---@return boolean?
---@return string? message
function M.start(conf)
  local declarations, message = load(conf)
  if not declarations then
    return nil, message
  end
  state.conf, state.listens = conf, declarations.listens
  state.workers = worker_count(conf, declarations)
  local more
  more, message = executors.count(conf.executors, declarations.exports)
  if not more then
    return nil, message
  end
  supervise(conf)
  core.on_signal(on_signal)
  state.bound, message = bind(declarations.listens)
  if not state.bound then
    return nil, message
  end
  registration.serve()
  events.serve()
  fibers.serve()
  attach.serve()
  core.on_message('reload', on_reload_letter)
  core.on_message('exit', on_exit_letter)
  local ok
  for _, step in ipairs {
    function()
      return start_workers(conf, state.workers, more)
    end,
    commit,
    core.accept,
    function()
      return register(declarations, state.bound)
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
  announce(declarations)
  run_main(declarations)
  return true
end

return M
