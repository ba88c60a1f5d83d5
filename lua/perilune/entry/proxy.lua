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

local M = {}

---@class perilune.Proxy  remote methods by name

-- What a proxy stands for: { refer, options, methods = { name = function } }.
local state_of = setmetatable({}, { __mode = 'k' })

-- ── ctx of a call we make ───────────────────────────────────────────────────────────────────────

local Ctx = { side = 'consumer' }

function Ctx.left(self)
  local left = self.deadline - core.clock()
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
    return core.clock() + self.call.timeout
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

-- Most calls send no attachments: the table is made when somebody asks for it.
local call_meta = {
  __index = function(self, key)
    if key == 'attachments' then
      local made = {}
      rawset(self, key, made)
      return made
    end
  end,
  __tostring = function(self)
    return ('call of %s.%s'):format(self.interface, self.method)
  end,
}

local over_meta = {
  __index = function(self)
    error(('%s used after %s ended'):format(rawget(self, 1), rawget(self, 2)), 2)
  end,
  __newindex = function(self)
    error(('%s used after %s ended'):format(rawget(self, 1), rawget(self, 2)), 2)
  end,
}

-- A script that keeps ctx or call beyond the call gets a clear error.
local function finish(ctx, call, title)
  local on_end = rawget(ctx, '_on_end')
  if on_end then
    for _, fn in ipairs(on_end) do
      local ok, message = xpcall(fn, debug.traceback)
      if not ok then
        core.log('error', 'ON-END', message)
      end
    end
  end
  ctx.call, ctx.deadline, ctx.state, ctx.trace, ctx._on_end, ctx.reply =
    nil, nil, nil, nil, nil, nil
  ctx[1], ctx[2] = 'ctx', title
  setmetatable(ctx, over_meta)
  call.args, call.attachments, call.method, call.interface, call.alias, call.timeout, call.body =
    nil, nil, nil, nil, nil, nil, nil
  call[1], call[2] = 'call', title
  setmetatable(call, over_meta)
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
    attempt_timeout = over.attempt_timeout or own.attempt_timeout or state.refer.attempt_timeout,
    retries = over.retries or own.retries or state.refer.retries,
    idempotent = own.idempotent ~= nil and own.idempotent or state.refer.idempotent or false,
  }
end

local function ended(ctx, call, title, result, err)
  -- Nobody answers a one-way call: that it was written is the result.
  if call.oneway and result == nil and err == nil then
    result = true
  end
  finish(ctx, call, title)
  if err ~= nil then
    return nil, errors.from(err)
  end
  return result
end

local call_over = {}

-- Compiles the function behind `proxy:name`. One prototype per method (see entry/chain.lua).
local function make_method(state, name)
  local refer = state.refer
  local options = options_of(state, name)
  local title = refer.interface .. '.' .. name
  local attachments = next(state.attachments) and state.attachments or nil
  local run = chain.consumer(title, refer.consumer_filters, refer.dispatch)
  local text = [[
    local run, ended, ctx_meta, call_meta, select, setmetatable, copy, fiber, error = ...
    return function(interface, alias, name, title, timeout, attempt_timeout, retries, idempotent, attachments, oneway)
      return function(_, ...)
        if fiber.forbidden then error(fiber.forbidden, 2) end
        local call = setmetatable({
          interface = interface, alias = alias, method = name, args = { n = select('#', ...), ... },
          timeout = timeout, attempt_timeout = attempt_timeout, retries = retries,
          idempotent = idempotent, attachments = attachments and copy(attachments), oneway = oneway,
        }, call_meta)
        local ctx = setmetatable({ call = call }, ctx_meta)
        return ended(ctx, call, title, run(ctx, call))
      end
    end]]
  local make = assert(loadstring(text, '=proxy ' .. title))(
    run,
    ended,
    ctx_meta,
    call_meta,
    select,
    setmetatable,
    copy,
    fiber,
    error
  )
  return make(
    refer.interface,
    refer.alias,
    name,
    title,
    options.timeout,
    options.attempt_timeout,
    options.retries,
    options.idempotent,
    attachments,
    state.oneway
  )
end
M.call_over = call_over

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

-- A proxy for a checked refer declaration. Raises when its filters are wrong.
---@param refer table
---@return perilune.Proxy
function M.new(refer)
  local list, message = filters.resolve('consumer', refer, refer.title)
  if not list then
    error(('%s: %s'):format(refer.title, message), 0)
  end
  local attempt, wrong = filters.resolve('attempt', refer, refer.title)
  if not attempt then
    error(('%s: %s'):format(refer.title, wrong), 0)
  end
  refer.consumer_filters, refer.attempt_filter_list = list, attempt
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

-- Waits until enough nodes are connected. Returns true, or nil and an error.
---@async
---@param proxy perilune.Proxy
---@param timeout? integer ms, default the refer's timeout
---@return boolean?
---@return perilune.Error?
function M.ready(proxy, timeout)
  local refer = M.state(proxy).refer
  return refer.ready(timeout or refer.timeout)
end

M.place = plugin.place

return M
