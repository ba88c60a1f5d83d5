-- SPDX-License-Identifier: MIT
-- Proxies are empty: `proxy:name(...)` is always the remote method `name`. What a proxy is made of is
-- kept beside it in weak tables, and everything that is not a remote call is a function of `perilune`.
local chain = require 'perilune.entry.chain'
local context = require 'perilune.entry.context'
local core = require 'perilune.core'
local errors = require 'perilune.error'
local fiber = require 'perilune.fiber'
local filters = require 'perilune.entry.filters'
local plugin = require 'perilune.plugin'

local clear = require 'table.clear'
local clock = core.clock

local M = {}

---@class perilune.Proxy  remote methods by name

-- What a proxy stands for: { refer, options, methods = { name = function } }.
local state_of = setmetatable({}, { __mode = 'k' })

-- ── ctx of a call we make ───────────────────────────────────────────────────────────────────────

local Ctx = { side = 'consumer' }

function Ctx.left(self)
  local left = (rawget(self, 'deadline') or self.began + self.call.timeout) - clock()
  return left > 0 and left or 0
end

function Ctx.cancelled()
  return core.cancelled()
end

function Ctx.on_end(self, fn)
  local list = rawget(self, '_on_end') or {}
  rawset(self, '_on_end', list)
  list[#list + 1] = fn
end

local lazy = {
  deadline = function(self)
    return self.began + self.call.timeout
  end,
  state = function()
    return {}
  end,
  trace = function()
    local serving = context.current()
    return serving and serving.trace or false
  end,
}

local ctx_meta = {
  __index = function(self, key)
    local fn = Ctx[key]
    if fn then
      return fn
    end
    local make = lazy[key]
    local value = make and make(self)
    if make then
      rawset(self, key, value)
    end
    return value
  end,
  __tostring = function(self)
    return ('ctx of %s.%s'):format(self.call.interface, self.call.method)
  end,
}

-- What a call of one method has in common with every other lives in `proto`; most calls send no
-- attachments, so that the table is made when somebody asks for it.
local function call_meta_of(proto)
  return {
    __index = function(self, key)
      if key == 'attachments' then
        local made = {}
        rawset(self, key, made)
        return made
      end
      return proto[key]
    end,
    __tostring = function(self)
      return ('call of %s.%s'):format(self.interface, self.method)
    end,
  }
end

-- A script that keeps ctx or call beyond the call gets a clear error.
local function over_meta(what, title)
  local function refuse()
    error(('%s used after %s ended'):format(what, title), 2)
  end
  return { __index = refuse, __newindex = refuse }
end

local function run_on_end(list)
  for _, fn in ipairs(list) do
    local ok, message = xpcall(fn, debug.traceback)
    if not ok then
      core.log('error', 'ON-END', message)
    end
  end
end

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

local function ended(ctx, call, over_ctx, over_call, ok, result, err)
  local on_end = rawget(ctx, '_on_end')
  if on_end then
    run_on_end(on_end)
  end
  clear(ctx)
  clear(call)
  setmetatable(ctx, over_ctx)
  setmetatable(call, over_call)
  if not ok then
    return nil, chain.caught(result)
  elseif err ~= nil then
    return nil, errors.from(err)
  end
  return result
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

local function make_method(state, name)
  local refer = state.refer
  local title = refer.interface .. '.' .. name
  local proto = options_of(state, name)
  proto.interface, proto.alias, proto.method = refer.interface, refer.alias, name
  proto.oneway = state.oneway
  proto.flags = (state.oneway and 1 or 0) + 2 * INT64[refer.int64 or 'number']
  local method = chain.proxy(title, refer.method_filters[name] or refer.consumer_filters, {
    dispatch = refer.dispatch,
    ended = ended,
    ctx_meta = ctx_meta,
    call_meta = call_meta_of(proto),
    over_ctx = over_meta('ctx', title),
    over_call = over_meta('call', title),
    attachments = next(state.attachments) and state.attachments or nil,
    copy = copy,
    fiber = fiber,
    clock = clock,
  })
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

local WITH =
  { timeout = 'number', retries = 'number', attempt_timeout = 'number', attachments = 'table' }

-- The same service with other options for the calls made through the result.
---@param proxy perilune.Proxy
---@param options {timeout?: integer, retries?: integer, attempt_timeout?: integer, attachments?: table}
---@return perilune.Proxy
function M.with(proxy, options)
  local state = M.state(proxy)
  local merged, attachments = copy(state.options), copy(state.attachments)
  for key, value in pairs(options) do
    if not WITH[key] then
      error(
        ("perilune.with: unknown option '%s'%s"):format(
          tostring(key),
          errors.suggest(tostring(key), WITH)
        ),
        2
      )
    elseif type(value) ~= WITH[key] then
      error(('perilune.with: %s must be a %s'):format(key, WITH[key]), 2)
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
      local function start(_, ...)
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
  return refer.ready(timeout or refer.timeout, nodes)
end

M.place = plugin.place

return M
