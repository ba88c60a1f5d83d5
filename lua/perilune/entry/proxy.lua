-- SPDX-License-Identifier: MIT
-- Proxies are empty: `proxy:name(...)` is always the remote method `name`. What a proxy is made of is
-- kept beside it in weak tables, and everything that is not a remote call is a function of `perilune`.
local errors = require 'perilune.error'
local filters = require 'perilune.entry.filters'
local interfaces = require 'perilune.entry.interface'
local methods = require 'perilune.entry.method'
local plugin = require 'perilune.plugin'
local schemas = require 'perilune.schema'

local M = {}

---@class perilune.Proxy  remote methods by name

-- What a proxy stands for: { refer, options, methods = { name = function } }.
local state_of = setmetatable({}, { __mode = 'k' })

-- ── remote methods ──────────────────────────────────────────────────────────────────────────────

local function copy(map)
  local result = {}
  for key, value in pairs(map) do
    result[key] = value
  end
  return result
end

local function options_of(state, name)
  local own = state.refer.methods[name] or {}
  local over = state.options
  return {
    timeout = over.timeout or own.timeout or state.refer.timeout,
    -- Those of the interface are settings of the router.
    attempt_timeout = over.attempt_timeout or own.attempt_timeout,
    retries = over.retries or own.retries,
    idempotent = own.idempotent ~= nil and own.idempotent or state.refer.idempotent or false,
  }
end

-- Nobody answers a one-way call: that it was written is the result.
local function sent(result, err)
  if result == nil and err == nil then
    return true
  end
  return result, err
end

-- Bits of core.request's flags beside the one for one-way calls.
local INT64 = { number = 0, cdata = 1, string = 2 }
local GENERIC = 8
local TYPES = 16 -- from here on: the number of core.argument_types

local function undeclared(interface, name)
  local near = errors.suggest(name, interface.methods)
  local text = ("interface %s declares no method '%s'%s"):format(interface.name, name, near)
  return function()
    return nil, errors.new('NO_METHOD', text, { outcome = 'NOT_SENT' })
  end
end

local function is_json(refer)
  return refer.serialization ~= nil and refer.serialization:match '^json' ~= nil
end

local function make_method(state, name)
  local refer = state.refer
  local proto = options_of(state, name)
  proto.interface, proto.alias, proto.method = refer.interface, refer.alias, name
  proto.oneway = state.oneway
  proto.flags = (state.oneway and 1 or 0)
    + 2 * INT64[refer.int64 or 'number']
    + (state.untyped and GENERIC or 0)
    + TYPES * interfaces.types_number(not state.untyped and refer.java or nil, name)
  local attachments = next(state.attachments) and state.attachments or nil
  local list = refer.method_filters[name] or refer.consumer_filters
  local method = methods.new(list, refer, proto, attachments)
  if state.untyped then
    return method
  elseif refer.java and refer.java.methods[name] then
    method = interfaces.caller(refer.java, name, method, is_json(refer))
  elseif refer.java and name:sub(1, 1) ~= '$' then -- those are the protocol's: $echo
    method = undeclared(refer.java, name)
  end
  if state.oneway then
    return function(...)
      return sent(method(...))
    end
  end
  return method
end

local proxy_meta = {
  __index = function(self, name)
    local state = state_of[self]
    if type(name) ~= 'string' then
      error('a proxy has methods only; `proxy:name(...)` calls the remote method `name`', 2)
    end
    local fn = make_method(state, name)
    rawset(self, name, fn)
    return fn
  end,
  __newindex = function()
    error('a proxy cannot be changed; see perilune.with', 2)
  end,
  __tostring = function(self)
    return 'proxy of ' .. state_of[self].refer.interface
  end,
  __metatable = 'perilune.Proxy',
}

local function make(state)
  local proxy = setmetatable({}, proxy_meta)
  state_of[proxy] = state
  return proxy
end

-- The filters of a declaration, and of those of its methods that say something else about them.
local function resolve_filters(refer)
  local made = {}
  local function resolve(side, options, what)
    local list, message = filters.resolve(side, options, refer.title, made)
    return list or error(('%s: %s%s'):format(refer.title, what, message), 0)
  end
  refer.consumer_filters = resolve('consumer', refer, '')
  refer.attempt_filter_list = resolve('attempt', refer, '')
  refer.method_filters, refer.method_attempt_filters = {}, {}
  for name, own in pairs(refer.methods) do
    local both = filters.merged(refer, own)
    if both then
      local what = ('methods.%s: '):format(name)
      refer.method_filters[name] = resolve('consumer', both, what)
      refer.method_attempt_filters[name] = resolve('attempt', both, what)
    end
  end
end

-- A proxy for a checked refer declaration. Raises when its filters are wrong.
---@param refer table
---@return perilune.Proxy
function M.new(refer)
  resolve_filters(refer)
  local attachments = copy(refer.attachments)
  if refer.token then
    attachments['.token'] = refer.token
  end
  return make { refer = refer, options = {}, attachments = attachments }
end

---@param proxy any
---@return table
function M.state(proxy)
  local state = type(proxy) == 'table' and state_of[proxy]
  if not state then
    error(('a proxy is wanted, got a %s; perilune.refer makes one'):format(type(proxy)), 3)
  end
  return state
end

-- A timeout may well be nothing: it is what is left of somebody's time.
local WITH = {
  timeout = { type = 'number' },
  retries = { type = 'integer', min = 0, max = 100 },
  attempt_timeout = { type = 'number', min = 1 },
  attachments = { type = 'table' },
}

-- The same service with other options for the calls made through the result.
---@param proxy perilune.Proxy
---@param options {timeout?: integer, retries?: integer, attempt_timeout?: integer, attachments?: table}
---@return perilune.Proxy
function M.with(proxy, options)
  local state = M.state(proxy)
  local merged, attachments = copy(state.options), copy(state.attachments)
  if type(options) ~= 'table' then
    error(('perilune.with: a table of options is wanted, got a %s'):format(type(options)), 2)
  end
  for key, value in pairs(options) do
    local rule = WITH[key]
    if not rule or schemas.wrong(rule, value, key) then
      error('perilune.with: ' .. select(2, schemas.apply(WITH, { [key] = value })), 2)
    end
    merged[key] = value
  end
  for key, value in pairs(options.attachments or {}) do
    attachments[key] = value
  end
  merged.attachments = nil
  return make {
    refer = state.refer,
    options = merged,
    attachments = attachments,
    oneway = state.oneway,
    async = state.async,
    untyped = state.untyped,
  }
end

-- The same service without its declared types, with further attachments.
---@param proxy perilune.Proxy
---@param more table
---@return perilune.Proxy
function M.untyped(proxy, more)
  local state = M.state(proxy)
  local attachments = copy(state.attachments)
  for key, value in pairs(more) do
    attachments[key] = value
  end
  return make {
    refer = state.refer,
    options = state.options,
    attachments = attachments,
    untyped = true,
  }
end

-- Calls through the result are sent without waiting for an answer; they return true once written.
---@param proxy perilune.Proxy
---@return perilune.Proxy
function M.oneway(proxy)
  local state = M.state(proxy)
  return make {
    refer = state.refer,
    options = state.options,
    attachments = state.attachments,
    oneway = true,
  }
end

-- Calls through the result return a future at once.
---@param proxy perilune.Proxy
---@return perilune.Proxy
function M.async(proxy)
  M.state(proxy)
  local future = require 'perilune.entry.future'
  return setmetatable({}, {
    __index = function(self, name)
      local method = proxy[name]
      local function start(proxy_of, ...)
        if type(proxy_of) ~= 'table' then
          error(methods.colon(name), 2)
        end
        local args, n = { ... }, select('#', ...)
        return future.run(function()
          return method(proxy, unpack(args, 1, n))
        end)
      end
      rawset(self, name, start)
      return start
    end,
    __metatable = 'perilune.Proxy',
  })
end

-- Calls a method by any name.
---@async
function M.call(proxy, name, ...)
  if type(name) ~= 'string' then
    error(('perilune.call: the name of a method is wanted, got a %s'):format(type(name)), 2)
  end
  return proxy[name](proxy, ...)
end

-- Waits until `nodes` of the nodes (default 1) are connected. Returns true, or nil and an error.
---@async
---@param proxy perilune.Proxy
---@param timeout? integer ms, default the refer's timeout
---@param nodes? integer
---@return boolean?
---@return perilune.Error?
function M.ready(proxy, timeout, nodes)
  local refer = M.state(proxy).refer
  for what, value in pairs { timeout = timeout or 0, nodes = nodes or 0 } do
    if type(value) ~= 'number' or value ~= value then
      error(('perilune.ready: %s must be a number, got %s'):format(what, tostring(value)), 2)
    end
  end
  return refer.ready(timeout or refer.timeout, nodes)
end

M.place = plugin.place

return M
