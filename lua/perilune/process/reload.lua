-- SPDX-License-Identifier: MIT
-- Reloading, as the control VM leads it, in two phases over all VMs:
--
--   1  load here -> bind new addresses -> start further executors -> every VM loads -> compare -> every
--      VM opens clusters and runs its start functions   anything wrong: discard everywhere
--   2  deregister what goes -> accept -> every VM switches -> register what comes -> close addresses
--      -> drain the executors that are too many
--
-- At most two generations live: a reload waits for the end of the one before the last (M.WAIT), then
-- it is refused. Requests that come while one is under way wait for their turn.
local admin = require 'perilune.process.admin'
local core = require 'perilune.core'
local declare = require 'perilune.entry.declare'
local difference = require 'perilune.process.difference'
local events = require 'perilune.events'
local executors = require 'perilune.entry.executors'
local gather = require 'perilune.process.gather'
local hotness = require 'perilune.entry.hotness'
local local_vm = require 'perilune.entry.reload'
local generation = require 'perilune.generation'
local options = require 'perilune.entry.options'
local registration = require 'perilune.process.registration'
local resize = require 'perilune.process.resize'
local settings = require 'perilune.process.settings'
local vms = require 'perilune.process.vms'

local M = {}

M.WAIT = 15000 -- ms that a reload waits for the last one to be over
local LOAD_MS, OPEN_MS, SWITCH_MS, DEREGISTER_MS = 60000, 60000, 10000, 3000
local DISCARD_MS = 10000

---@class perilune.process.Running
---@field conf perilune.process.Options
---@field bound string[]      bound URLs in the order of `listens`
---@field listens table[]     declarations they were bound for
---@field registrations perilune.process.Registration[]
---@field settings fun(): perilune.process.Options?, string?  reads the configuration anew
---@field draining boolean

local ENDING = 'the process is ending'

local busy = false -- a reload is under way
local committing = false -- it is in its second phase
local retiring -- number of the generation that finishes, or nil
local waiting = 0
local last = 1 -- number given last; one that was refused is not given again

local function wait_while(check, till)
  while check() and core.clock() < till do
    core.sleep(5)
  end
  return not check()
end

-- ── listeners ───────────────────────────────────────────────────────────────────────────────────

local function options_of(listen)
  return core.encode { protocols = listen.protocols }
end

-- Which bound sockets stay, which addresses are new, which go.
local function compare_listens(state, listens)
  local keep, left = {}, {}
  for i, listen in ipairs(state.listens) do
    left[i] = listen
  end
  for k, listen in ipairs(listens) do
    for i, other in pairs(left) do
      if other.url == listen.url then
        if options_of(other) ~= options_of(listen) then
          return nil, listen.title .. ': other options for the same address need a restart'
        end
        keep[k], left[i] = state.bound[i], nil
        break
      end
    end
  end
  local gone = {}
  for i in pairs(left) do
    gone[#gone + 1] = state.bound[i]
  end
  return { keep = keep, gone = gone, fresh = {} }
end

local function bind(plan, listens)
  plan.bound = {}
  for k, listen in ipairs(listens) do
    local url = plan.keep[k]
    if not url then
      local message
      url, message = core.listen(listen.url, listen.protocols)
      if not url then
        return message
      end
      table.insert(plan.fresh, url)
    end
    plan.bound[k] = url
  end
end

-- ── the phases ──────────────────────────────────────────────────────────────────────────────────

local function load_all(number, conf)
  local request = {
    number = number,
    path = conf.path,
    args = core.array and core.array(conf.args) or conf.args,
    defaults = conf.defaults,
    services = conf.services,
    references = conf.references,
    call_timeout = conf.call_timeout,
    load_timeout = conf.load_timeout,
  }
  local what = 'load ' .. conf.path
  local answers, message = vms.ask('reload.load', request, 'reload.loaded', LOAD_MS, what)
  return message or difference.among(conf.path, declare.digest(number), answers.replies)
end

-- The first phase. Returns what is to be done in the second, or nil and what is wrong.
local function prepare(state, number, conf)
  local mine, message = local_vm.load(number, conf)
  if not mine then
    return nil, message
  end
  message = declare.idle(mine)
  if message then
    return nil, message
  end
  local _
  _, message = generation.run(number, registration.check, mine.exports)
  if message then
    return nil, message
  end
  local executor_count
  executor_count, message = executors.count(conf.executors, mine.exports)
  if not executor_count then
    return nil, message
  end
  local plan
  plan, message = compare_listens(state, mine.listens)
  if not plan then
    return nil, message
  end
  plan.mine = mine
  plan.executors = executor_count
  _, plan.unmatched = generation.run(number, options.unmatched)
  message = bind(plan, mine.listens)
    or resize.grow(plan.executors, number, conf)
    or load_all(number, conf)
  if not message then
    _, message = vms.ask('reload.open', { number = number }, 'reload.opened', OPEN_MS, 'open')
  end
  if message or state.draining then -- who drains has taken everything off the lists
    for _, url in ipairs(plan.fresh) do
      core.unlisten(url)
    end
    return nil, state.draining and ENDING or message
  end
  return plan
end

local function discard(number)
  vms.ask('reload.discard', { number = number }, 'reload.discarded', DISCARD_MS, 'discard')
  resize.undo()
  local_vm.discard(number)
end

-- The second phase: nothing in it can be refused any more.
local function commit(state, number, plan, conf)
  registration.host = conf.host
  local lists = registration.compare(state.registrations, plan.mine.exports, plan.bound)
  registration.close_list(lists.first, DEREGISTER_MS)
  if #plan.fresh > 0 then
    local ok, message = core.accept()
    if not ok then
      core.log('error', 'RELOAD', message)
    end
  end
  resize.shrink(plan.executors, conf.drain_timeout or 30000)
  local request = {
    number = number,
    grace = conf.reload_grace,
    limits = settings.limits_of(conf),
    executors = plan.executors,
  }
  local finished = gather('reload.retired', vms.count)
  local _, message = vms.ask('reload.switch', request, 'reload.switched', SWITCH_MS, 'switch')
  if message then
    core.log('error', 'RELOAD', message)
  end
  local old = local_vm.switch(number, false)
  settings.apply(request.limits)
  core.limit_connections(request.limits)
  state.registrations = registration.apply(lists)
  wait_while(function()
    return not registration.all_listed(lists.fresh)
  end, core.clock() + DEREGISTER_MS)
  registration.close_list(lists.last, DEREGISTER_MS)
  for _, url in ipairs(plan.gone) do
    core.unlisten(url)
  end
  state.bound, state.listens = plan.bound, plan.mine.listens
  retiring = old
  core.spawn(function()
    local_vm.retire(old, false, conf.reload_grace)
    while not finished.wait(60000) do
      if core.cancelled() then
        return -- the process ends: nobody is left to tell
      end
      core.log('info', 'RELOAD', ('generation %d still has calls in progress'):format(old))
    end
    retiring = nil
    admin.retired(old)
    core.log('info', 'RELOAD', ('generation %d is over'):format(old))
  end, nil, nil, true)
end

local function refuse(number, message)
  core.log('error', 'RELOAD-REFUSED', 'nothing has changed: ' .. message)
  events.publish('reload.failed', { generation = number, message = message })
  return nil, message
end

local function reload(state)
  local number = last + 1
  core.log('info', 'RELOAD', ('loading generation %d'):format(number))
  events.publish('reload.begun', { generation = number })
  local conf, message = state.settings()
  if not conf then
    return refuse(number, message)
  end
  conf.path, conf.args = state.conf.path, state.conf.args
  local ok, plan, why = xpcall(prepare, debug.traceback, state, number, conf)
  if not ok or not plan then
    discard(number)
    return refuse(number, ok and why or tostring(plan))
  end
  last, committing = number, true
  commit(state, number, plan, conf)
  committing = false
  local notes = state.applied(conf, plan.unmatched)
  state.announce(plan.mine)
  local text = ('generation %d runs, source %s'):format(number, plan.mine.hash)
  core.log('info', 'RELOAD', text)
  events.publish('reload.done', { generation = number })
  return { generation = number, source = plan.mine.hash, notes = core.array(notes) }
end

-- Why a reload did not get its turn.
local function taken()
  if busy then
    return 'another reload is under way; try again when it is done'
  end
  local what = 'generation %d still has work in progress and there are at most two; try again later'
  return what:format(retiring)
end

-- Reloads the entrypoint. Returns the new generation and its source, or nil and one line that says why
-- nothing has changed.
---@async
---@param state perilune.process.Running
---@return {generation: integer, source: string, notes: string[]}?
---@return string? message
function M.run(state)
  if state.draining then
    return nil, ENDING
  end
  waiting = waiting + 1
  local till = core.clock() + M.WAIT
  local free = wait_while(function()
    return not state.draining and (busy or retiring ~= nil)
  end, till)
  waiting = waiting - 1
  if state.draining or not free then
    return refuse(last + 1, state.draining and ENDING or taken())
  end
  busy = true
  admin.reloading(true)
  core.notify('RELOADING=1\nMONOTONIC_USEC=' .. ('%.0f'):format(core.hrtime() * 1000))
  hotness.rest()
  local ok, result, message = xpcall(reload, debug.traceback, state)
  hotness.resume()
  core.notify 'READY=1'
  busy, committing = false, false
  admin.reloading(false)
  if not ok then
    return refuse(last + 1, tostring(result))
  end
  return result, message
end

-- Waits until no reload is in its second phase: what it lists then can be taken off the list.
---@async
function M.settle()
  wait_while(function()
    return committing
  end, core.clock() + SWITCH_MS)
end

-- How many requests wait for their turn: a signal more of them says nothing new.
---@return integer
function M.waiting()
  return waiting
end

return M
