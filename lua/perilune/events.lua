-- SPDX-License-Identifier: MIT
-- The event bus: who changes state says so, listeners hear of it later, each in a fiber of its own and
-- in order, so that a slow or broken one hurts neither the publisher nor the others. A bus belongs to
-- one VM: what happens in a worker is heard by the listeners of that worker, what happens once per
-- process (registries, listing, reload) by those of the control VM. A script runs in all of them, so
-- `perilune.on` at its top level hears everything, each event once, in the VM named by event.worker.
-- Events of a user's own reach the same VM (publish) or every VM of the process (broadcast).
local core = require 'perilune.core'
local errors = require 'perilune.error'
local exit = require 'perilune.exit'
local generation = require 'perilune.generation'
local plugin = require 'perilune.plugin'

local M = {}

---@class perilune.Event
---@field name string
---@field time number      wall clock, ms
---@field worker integer   where it happened: 0 = control, 1..n
---@field [string] any     what the publisher says of it, see perilune.events.NAMES

---@alias perilune.ListenerFn async fun(event: perilune.Event)

-- What the runtime publishes and the fields it comes with.
M.NAMES = {
  ['registry.up'] = 'registry: answers',
  ['registry.down'] = 'registry, message: does not',
  ['registry.changed'] = 'registry, interface, alias, count, version: another list of nodes',
  ['registry.listed'] = 'registry, url: a service of ours is on the list',
  ['registry.unlisted'] = 'registry, url: it is off it',
  ['connection.up'] = 'url',
  ['connection.drain'] = 'url: the peer takes no new calls',
  ['connection.down'] = 'url, code, message',
  ['node.state'] = 'interface, alias, address, from, to, message',
  ['node.ejected'] = 'interface, alias, address, message: not asked for a while',
  ['node.restored'] = 'interface, alias, address: asked again',
  ['session.opened'] = 'side, interface, alias, peer, session; connection, native (provider)',
  ['session.closed'] = 'side, interface, alias, session; connection (provider), peer',
  ['export.opened'] = 'interface, alias',
  ['export.closed'] = 'interface, alias',
  ['breaker.state'] = 'interface, method, node, from, to',
  ['reload.begun'] = 'generation',
  ['reload.done'] = 'generation',
  ['reload.failed'] = 'generation, message',
  ['process.ready'] = 'listening',
  ['process.drain'] = '',
}

M.QUEUE = 1024 -- events one listener has not heard yet, where the limit `events` is not set
local CACHED = 1000 -- names whose listeners are remembered

local NAME = '^[a-z][%w_]*[%w_.]*$'
local LETTER = 'perilune.event'

local families = {}
for name in pairs(M.NAMES) do
  families[name:match '^[^.]+'] = true
end

---@class perilune.Listener
---@field pattern string
---@field fn perilune.ListenerFn
---@field place string
---@field generation integer  of the scripts
---@field dropped integer     events that found its queue full
---@field package queue perilune.Event[]
---@field package first integer
---@field package last integer
---@field package running boolean
local Listener = {}
Listener.__index = Listener

local listeners = {} ---@type perilune.Listener[]
local heard, cached = {}, 0 -- name -> its listeners, or false

local function matches(pattern, name)
  if pattern == '*' or pattern == name then
    return true
  end
  local prefix = pattern:match '^(.*%.)%*$'
  return prefix ~= nil and name:sub(1, #prefix) == prefix
end

local function forget_names()
  heard, cached = {}, 0
end

-- Sessions of peers are C's, which tells of them only while somebody listens.
local function follow_sessions()
  local wanted = M.wanted 'session.opened' or M.wanted 'session.closed'
  if not core.on_session or wanted == (M.following or false) then
    return
  end
  M.following = wanted
  core.on_session(wanted and function(session, opened)
    session.side = 'provider'
    M.publish(opened and 'session.opened' or 'session.closed', session)
  end or nil)
end

local function listeners_of(name)
  if cached >= CACHED then
    forget_names()
  end
  local list = {}
  for _, listener in ipairs(listeners) do
    if listener.generation <= generation.active and matches(listener.pattern, name) then
      list[#list + 1] = listener
    end
  end
  heard[name] = #list > 0 and list or false
  cached = cached + 1
  return heard[name]
end

local function pop(self)
  local event = self.queue[self.first]
  self.queue[self.first] = nil
  self.first = self.first + 1
  return event
end

local function run(self)
  while self.first <= self.last and not self.closed do
    local ok, message = xpcall(self.fn, debug.traceback, pop(self))
    if not ok and not exit.threw(message) then
      core.log('error', 'LISTENER', ('%s: %s'):format(self.place, tostring(message)))
    end
  end
  self.running = false
end

local function drop(self, name)
  self.dropped = self.dropped + 1
  if core.limit_hit then
    core.limit_hit 'events'
  end
  core.log(
    'warn',
    'EVENTS',
    ("%s: '%s' was dropped: %d wait for this listener (limit events)"):format(
      self.place,
      name,
      self.most
    )
  )
end

local function push(self, event)
  if self.last - self.first + 1 >= self.most then
    return drop(self, event.name)
  end
  self.last = self.last + 1
  self.queue[self.last] = event
  if not self.running then
    self.running = core.spawn(run, self, nil, true, self.generation) ~= nil
  end
end

local function event_of(name, data, worker)
  local event = {}
  for key, value in pairs(data or {}) do
    event[key] = value
  end
  event.name, event.time, event.worker = name, core.walltime(), worker
  return event
end

-- Does anybody listen for `name`? For publishers to whom the fields cost something.
---@param name string
---@return boolean
function M.wanted(name)
  local list = heard[name]
  if list == nil then
    list = listeners_of(name)
  end
  return list ~= false
end

local function deliver(name, data, worker)
  for _, listener in ipairs(M.wanted(name) and heard[name] or {}) do
    push(listener, event_of(name, data, worker)) -- a table of its own: it may be kept or changed
  end
end

local function check_name(what, name)
  if type(name) ~= 'string' or not name:match(NAME) then
    local text = "perilune.%s: '%s' is no event name: write it like 'orders.placed'"
    error(text:format(what, tostring(name)), 3)
  end
end

-- Tells this VM's listeners that something happened; they hear of it when the caller waits next.
---@param name string
---@param data? table  fields of the event; copied
function M.publish(name, data)
  if data ~= nil and type(data) ~= 'table' then
    error(("perilune.publish: '%s': its fields are a table, got a %s"):format(name, type(data)), 2)
  end
  local list = heard[name]
  if list == false then
    return
  elseif list == nil then
    check_name('publish', name)
  end
  deliver(name, data, core.worker)
end

local serving = false

-- Hands on what other VMs broadcast: in the control VM from one worker to all.
function M.serve()
  if serving or not core.on_message then
    return
  end
  serving = true
  core.on_message(LETTER, function(payload)
    local letter = core.decode(payload)
    if letter then
      if core.role == 'control' then
        core.post(-1, LETTER, payload)
      end
      deliver(letter.name, letter.data, letter.worker)
    end
  end)
end

-- The same for the listeners of every VM of the process. `data` travels as JSON. False when the letter
-- box is full.
---@param name string
---@param data? table
---@return boolean
function M.broadcast(name, data)
  check_name('broadcast', name)
  local payload, wrong = core.encode { name = name, data = data, worker = core.worker }
  if not payload or data ~= nil and type(data) ~= 'table' then
    wrong = wrong or ('its fields are a table, got a %s'):format(type(data))
    error(("perilune.broadcast: '%s': %s"):format(name, wrong), 2)
  end
  if core.role == 'control' then
    deliver(name, data, core.worker)
    return core.post(-1, LETTER, payload)
  end
  return core.post(0, LETTER, payload)
end

local function check_pattern(pattern, place)
  local wrong = type(pattern) ~= 'string' or not (pattern:gsub('%*$', 'x')):match(NAME)
  if wrong then
    error(("%s: on: '%s' is no event name"):format(place, tostring(pattern)), 0)
  elseif not pattern:find('*', 1, true) and not M.NAMES[pattern] then
    if families[pattern:match '^[^.]+'] then
      local near = errors.suggest(pattern, M.NAMES)
      error(("%s: on: no event '%s'%s"):format(place, pattern, near), 0)
    end
  end
end

local function function_of(ref, place)
  local found, message = plugin.use('listener', ref)
  if found == nil then
    error(('%s: on: %s'):format(place, tostring(message)), 0)
  end
  return type(found) == 'table' and function(event)
    return found.listen(event)
  end or found
end

-- Calls `listener` for every event of that name ('node.state'), family ('node.*') or at all ('*'), in a
-- fiber of its own, one event after the other. It may wait. It is a function, or names a plugin.
---@param pattern string
---@param listener perilune.ListenerFn|string|table
---@return perilune.Listener
function M.on(pattern, listener)
  local place = plugin.place()
  check_pattern(pattern, place)
  M.serve()
  local self = setmetatable({
    pattern = pattern,
    fn = function_of(listener, place),
    place = place,
    generation = generation.owner(),
    dropped = 0,
    queue = {},
    first = 1,
    last = 0,
    running = false,
    most = core.limits and core.limits().events or M.QUEUE,
  }, Listener)
  listeners[#listeners + 1] = self
  forget_names()
  follow_sessions()
  return self
end

-- Hears nothing more, not even what is queued.
function Listener:close()
  self.closed = true
  for i, other in ipairs(listeners) do
    if other == self then
      table.remove(listeners, i)
      forget_names()
      follow_sessions()
      break
    end
  end
end

-- Ends the listeners that scripts of these generations registered: old ones after a reload, the new one
-- when it was refused. Those of a generation that became the active one hear from now on.
---@param over fun(generation: integer): boolean
function M.retire(over)
  for i = #listeners, 1, -1 do
    if over(listeners[i].generation) then
      listeners[i]:close()
    end
  end
  forget_names()
end

-- The listeners of this VM, for `perilune status` and leak checks.
---@return perilune.Listener[]
function M.all()
  return listeners
end

return M
