-- SPDX-License-Identifier: MIT
-- Registries: who provides what. A registry is opened once per process, in the control VM, and whole
-- snapshots of its lists go to the workers that asked. What a plugin of the point `registry` does:
--
--   new(conf) -> registry              conf.url is the whole URL, the rest its parameters; conf.note() says
--                                      that the registry answers, conf.note(message) that it does not
--   notes = true                       it calls conf.note itself; else what these functions give tells
--   check(conf) -> what is wrong       if it has one: asked when the script loads, opens nothing
--   registry:register(service_url)     keep it listed until deregister; registering twice is once
--   registry:deregister(service_url)
--   registry:subscribe(service, on_change) -> handle    on_change(snapshot), first as soon as known
--   registry:unsubscribe(handle)
--   registry:close()                   deregisters what is left
--
-- A snapshot is { version = integer, entries = {...}, explicit = boolean }. An empty one replaces a
-- list only when the registry says that it is meant (`explicit`): a registry that lost its memory
-- must not take everybody's nodes away.
local core = require 'perilune.core'
local entries = require 'perilune.cluster.entries'
local events = require 'perilune.events'
local plugin = require 'perilune.plugin'
local schemas = require 'perilune.schema'
local urls = require 'perilune.cluster.url'

---@class perilune.cluster.Registry
---@field register async fun(self, service_url: string): boolean?, string?
---@field deregister async fun(self, service_url: string): boolean?, string?
---@field subscribe fun(self, service: perilune.cluster.Service, on_change: function): any, string?
---@field unsubscribe fun(self, handle: any)
---@field close fun(self)

---@class perilune.cluster.Service
---@field interface string
---@field alias? string

---@class perilune.cluster.Snapshot
---@field version integer
---@field entries perilune.cluster.Entry[]
---@field explicit? boolean

local M = {}

M.RETRY = 2000

local opened = {} ---@type table<string, perilune.cluster.Registry>
local notes = {} -- registry -> it tells itself when it answers
local watches = {} -- key -> { registry, service, snapshot, trouble, listeners }
local remote -- the worker's side of the wire, once it listens

local function key_of(url, service)
  return url .. '\0' .. service.interface .. '\0' .. (service.alias or '')
end

local function convert(rule, value)
  if rule.type == 'integer' or rule.type == 'number' then
    return tonumber(value) or value
  elseif rule.type == 'boolean' then
    return value == 'true' or value == '1'
  end
  return value
end

-- The plugin a registry URL names and its settings.
local function settings(text)
  local url, message = urls.parse(text)
  if not url then
    return nil, message
  end
  local record
  record, message = plugin.find('registry', url.scheme)
  if not record then
    return nil, message
  end
  local conf = {}
  for key, value in pairs(url.params) do
    local rule = record.schema and record.schema[key]
    conf[key] = rule and convert(rule, value) or value
  end
  return record, conf, url
end

-- What is wrong with a registry URL, or nil.
---@param text string
---@return string?
function M.check(text)
  if type(text) ~= 'string' then
    return ('a registry is a URL, or a list of them; got a %s'):format(type(text))
  end
  local record, conf, url = settings(text)
  if not record then
    return conf --[[@as string]]
  end
  local wrong
  if record.spec.new then
    conf, wrong = schemas.apply(record.schema or {}, conf --[[@as table]])
    if not wrong and record.spec.check then
      conf.url = url
      wrong = record.spec.check(conf)
    end
  end
  return wrong and ("registry '%s': %s"):format(urls.shown(text), wrong) or nil
end

local states = {} -- registry -> 'up' or 'down', as last told

-- Says that a registry answers, or (with why) that it does not, where that is news.
local function note_state(registry, message)
  local state = message and 'down' or 'up'
  if states[registry] ~= state then
    states[registry] = state
    local shown = urls.shown(registry)
    events.publish(
      'registry.' .. state,
      { registry = shown, message = message and tostring(message) }
    )
  end
end

-- There is no list yet: those who wait for it shall know why.
local function trouble_with(watch, message)
  watch.trouble = message
  for listener in pairs(watch.listeners) do
    if listener.on_trouble then
      listener.on_trouble(message)
    end
  end
end

-- The registry of a URL, opened on first use. Control VM.
---@param text string
---@return perilune.cluster.Registry?
---@return string? message
function M.open(text)
  if opened[text] then
    return opened[text]
  end
  local record, conf, url = settings(text)
  if not record then
    return nil, conf --[[@as string]]
  end
  local function note(message)
    note_state(text, message)
    for _, watch in pairs(message and watches or {}) do
      if watch.registry == text and not watch.snapshot then
        trouble_with(watch, tostring(message))
      end
    end
  end
  local instance, message = plugin.instantiate(record, conf, { url = url, note = note })
  if instance == nil then
    return nil, message --[[@as string]]
  end
  opened[text], notes[text] = instance, record.spec.notes
  return instance
end

-- Calls a member of a registry; what it throws is told as what went wrong.
---@async
local function ask_plugin(text, instance, verb, ...)
  local ok, result, message = pcall(instance[verb], instance, ...)
  if ok then
    return result, message
  end
  local prefix, why = ("registry '%s': "):format(urls.shown(text)), tostring(result)
  return nil, why:sub(1, #prefix) == prefix and why or ('%s%s threw: %s'):format(prefix, verb, why)
end

local function is_worker()
  return core.role == 'worker' or core.role == 'executor'
end

local function post(to, name, message)
  core.post(to, name, assert(core.encode(message)))
end

-- ── registering ───────────────────────────────────────────────────────────────────────────────

-- A service URL without its secrets: parameters that begin with '.'.
local function public(service_url)
  local url = assert(urls.parse(service_url))
  for key in pairs(url.params) do
    if key:sub(1, 1) == '.' then
      url.params[key] = nil
    end
  end
  return urls.format(url)
end

local function act(verb, text, service_url)
  if is_worker() then
    post(0, 'perilune.registry', { op = verb, registry = text, url = service_url })
    return true
  end
  local instance, message = M.open(text)
  if not instance then
    return nil, message
  elseif not instance[verb] then
    return nil, ("registry '%s' cannot %s"):format(urls.shown(text), verb)
  end
  local ok, wrong = ask_plugin(text, instance, verb, public(service_url))
  if not notes[text] then
    note_state(text, not ok and (wrong or 'refused') or nil)
  end
  return ok, wrong
end

-- Lists a provider: 'joyrpc://127.0.0.1:22000/demo.Greeter?alias=prod&version=v2'. In a worker it is
-- handed to the control VM.
---@async
---@param registry string
---@param service_url string
---@return boolean?
---@return string? message
function M.register(registry, service_url)
  return act('register', registry, service_url)
end

---@async
---@param registry string
---@param service_url string
---@return boolean?
---@return string? message
function M.deregister(registry, service_url)
  return act('deregister', registry, service_url)
end

-- ── subscribing ───────────────────────────────────────────────────────────────────────────────

-- Takes a snapshot unless it is old or an empty one nobody meant.
local function accept(watch, snapshot)
  if type(snapshot) ~= 'table' or type(snapshot.entries) ~= 'table' then
    local where = urls.shown(watch.registry)
    error(("registry '%s': on_change wants { version =, entries = {...} }"):format(where), 0)
  elseif snapshot.version ~= nil and type(snapshot.version) ~= 'number' then
    local where = urls.shown(watch.registry)
    local text = "registry '%s': version is a number that grows, got a %s"
    error(text:format(where, type(snapshot.version)), 0)
  end
  local complaint
  snapshot =
    { version = snapshot.version, explicit = snapshot.explicit, entries = snapshot.entries }
  snapshot.entries, complaint = entries.clean(snapshot.entries, watch.service)
  if complaint then
    snapshot.explicit = snapshot.explicit and #snapshot.entries > 0
    local where = urls.shown(watch.registry)
    core.log('warn', 'REGISTRY', complaint, { registry = where, service = watch.service.interface })
  end
  local last = watch.snapshot
  if last and snapshot.version and last.version and snapshot.version <= last.version then
    return
  end
  if last and #last.entries > 0 and #snapshot.entries == 0 and not snapshot.explicit then
    core.log('warn', 'REGISTRY', 'an empty list was ignored', { service = watch.service.interface })
    last.version = snapshot.version
    return
  end
  watch.snapshot = snapshot
  if not is_worker() and events.wanted 'registry.changed' then
    events.publish('registry.changed', {
      registry = urls.shown(watch.registry),
      interface = watch.service.interface,
      alias = watch.service.alias or '',
      count = #snapshot.entries,
      version = snapshot.version,
    })
  end
  local listeners = {}
  for listener in pairs(watch.listeners) do
    listeners[#listeners + 1] = listener
  end
  for _, listener in ipairs(listeners) do
    listener.on_change(snapshot)
  end
end

local function end_watch(watch)
  watch.over = true
  if watch.instance and watch.instance.unsubscribe then
    local _, message = ask_plugin(watch.registry, watch.instance, 'unsubscribe', watch.handle)
    if message then
      core.log('warn', 'REGISTRY', message)
    end
  end
end

-- Opens and subscribes until it works: a registry that is down delays, it does not fail.
---@async
local function establish(watch)
  while not watch.over do
    local instance, message = M.open(watch.registry)
    local handle
    if instance then
      handle, message = ask_plugin(
        watch.registry,
        instance,
        'subscribe',
        watch.service,
        function(list)
          if not watch.over then
            accept(watch, list)
          end
        end
      )
      message = message or 'subscribe gave neither a handle nor what is wrong'
    end
    if not (handle and notes[watch.registry]) then
      note_state(watch.registry, not handle and message or nil)
    end
    if handle then
      watch.instance, watch.handle = instance, handle
      return watch.over and end_watch(watch)
    end
    core.log('warn', 'REGISTRY', tostring(message), { registry = urls.shown(watch.registry) })
    trouble_with(watch, tostring(message))
    core.sleep(M.RETRY)
  end
end

local function watch_locally(watch)
  core.spawn(establish, watch, nil, true)
end

local function listen()
  if not remote then
    remote = true
    core.on_message('perilune.registry.nodes', function(payload)
      local message = core.decode(payload)
      local watch = watches[key_of(message.registry, message.service)]
      if watch and message.trouble then
        watch.trouble = message.trouble
      elseif watch then
        accept(watch, message.snapshot)
      end
    end)
  end
end

local function ask(op, watch)
  post(0, 'perilune.registry', { op = op, registry = watch.registry, service = watch.service })
end

-- Follows the list of a service; `on_change(snapshot)` gets whole lists, at once when one is known.
-- A bad URL is told here; a registry that does not answer is tried again for ever.
---@param registry string
---@param service {interface: string, alias?: string}
---@param on_change fun(snapshot: perilune.cluster.Snapshot)
---@param on_trouble? fun(message: string)  each time that there is still no list
---@return table? subscription
---@return string? message
function M.subscribe(registry, service, on_change, on_trouble)
  local wrong = M.check(registry)
  if wrong then
    return nil, wrong
  end
  local key = key_of(registry, service)
  local watch = watches[key]
  local listener = { key = key, on_change = on_change, on_trouble = on_trouble }
  if watch then
    watch.listeners[listener] = true
    if watch.snapshot then
      on_change(watch.snapshot)
    end
    return listener
  end
  watch = { registry = registry, service = service, listeners = { [listener] = true } }
  watches[key] = watch
  if is_worker() then
    listen()
    ask('subscribe', watch)
  else
    watch_locally(watch)
  end
  return listener
end

-- Why a registry has given no list so far, as the end of a message; '' where that is not known.
---@param listeners table[]  what subscribe returned
---@return string
function M.trouble(listeners)
  for _, listener in ipairs(listeners) do
    local watch = watches[listener.key]
    if watch and watch.trouble and not watch.snapshot then
      return '; ' .. watch.trouble
    end
  end
  return ''
end

---@param listener table  what subscribe returned
function M.unsubscribe(listener)
  local watch = watches[listener.key]
  if watch and watch.listeners[listener] then
    watch.listeners[listener] = nil
    if next(watch.listeners) == nil then
      watches[listener.key] = nil
      if is_worker() then
        ask('unsubscribe', watch)
      else
        end_watch(watch)
      end
    end
  end
end

-- ── the control VM's side ─────────────────────────────────────────────────────────────────────

local forwarded = {} -- worker .. key -> subscription

local function forward(worker, message)
  local id = worker .. ' ' .. key_of(message.registry, message.service)
  if forwarded[id] then
    M.unsubscribe(forwarded[id])
    forwarded[id] = nil
  end
  if message.op == 'unsubscribe' then
    return
  end
  local function tell(what, value)
    local letter = { registry = message.registry, service = message.service, [what] = value }
    post(worker, 'perilune.registry.nodes', letter)
  end
  local subscription, wrong = M.subscribe(message.registry, message.service, function(snapshot)
    tell('snapshot', snapshot)
  end, function(trouble)
    tell('trouble', trouble)
  end)
  if not subscription then
    core.log('error', 'REGISTRY', tostring(wrong), { registry = urls.shown(message.registry) })
  end
  forwarded[id] = subscription
end

-- Answers the workers. Called once in the control VM, before workers start.
function M.serve()
  core.on_message('perilune.registry', function(payload, worker)
    local message = core.decode(payload)
    if message.op == 'subscribe' or message.op == 'unsubscribe' then
      forward(worker, message)
    else
      local ok, wrong = act(message.op, message.registry, message.url)
      if not ok then
        core.log('error', 'REGISTRY', tostring(wrong), { registry = urls.shown(message.registry) })
      end
    end
  end)
end

-- Closes every registry, which takes this process's providers off their lists.
---@async
function M.close_all()
  for _, watch in pairs(watches) do
    end_watch(watch)
  end
  for text, instance in pairs(opened) do
    opened[text] = nil
    local _, message = ask_plugin(text, instance, 'close')
    states[text] = nil
    if message then
      core.log('warn', 'REGISTRY', message)
    end
  end
  watches, forwarded = {}, {}
end

return M
