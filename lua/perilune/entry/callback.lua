-- SPDX-License-Identifier: MIT
-- Callbacks: a function among the arguments of a call is a callable object at the provider. Calling it
-- runs the function here, over the connection the call came on, as a call with a ctx of its own. Most
-- of it is C (src/lua/callback.c); this completes the objects and compiles the chain of the functions.
local chain = require 'perilune.entry.chain'
local context = require 'perilune.entry.context'
local core = require 'perilune.core'
local errors = require 'perilune.error'
local exceptions = require 'perilune.protocol.java_exception'

local M = {}

M.TIMEOUT = 5000 -- ms of a call that says none; never more than what is left of the running call

-- ── provider: what a handler gets ───────────────────────────────────────────────────────────────

---@class perilune.Callback
local Callback = {}

local OPTIONS = { timeout = 'number', method = 'string', oneway = 'boolean', attachments = 'table' }

local function checked(options)
  for key, value in pairs(options) do
    local want = OPTIONS[key]
    if not want then
      local near = errors.suggest(tostring(key), OPTIONS)
      error(("callback:call: unknown option '%s'%s"):format(tostring(key), near), 3)
    elseif type(value) ~= want then
      error(('callback:call: %s must be a %s'):format(key, want), 3)
    end
  end
  return options
end

local function request(callback, options, ...)
  local ok, a, b, c = core.request(
    callback,
    0,
    options.method or 'notify',
    { n = select('#', ...), ... },
    options.timeout or M.TIMEOUT,
    options.attachments,
    options.oneway and 1 or 0
  )
  if ok then
    if options.oneway then
      return true
    end
    return a
  end
  local code = errors.codes[a] and a or 'UNKNOWN'
  if type(c) == 'table' then -- with an exception
    return nil, exceptions.attach(errors.new(code, b, { outcome = c[1] }), c[2])
  end
  return nil, errors.new(code, b, { outcome = c or 'UNKNOWN' })
end

-- Calls it with options; `callback(...)` is `callback:call({}, ...)`.
---@async
---@param options {timeout?: number, method?: string, oneway?: boolean, attachments?: table}
---@return any result
---@return perilune.Error? err
function Callback.call(self, options, ...)
  return request(self, checked(options), ...)
end

-- Lets go of it; its owner may forget it. Closing twice is once; so is collecting it.
function Callback.close(self)
  core.callback_close(self)
end

-- Can it still be called: not closed, and its owner connected?
---@return boolean
function Callback.alive(self)
  return (core.callback_alive(self))
end

local NONE = {}

local function complete(meta)
  meta.__index = Callback
  meta.__name = 'perilune.Callback'
  function meta.__call(self, ...)
    return request(self, NONE, ...)
  end
  function meta.__tostring(self)
    local alive, name = core.callback_alive(self)
    return ('callback %s%s'):format(name or '-', alive and '' or ' (closed)')
  end
end

-- ── consumer: running the function ──────────────────────────────────────────────────────────────

local function run(ctx, ...)
  local fn = core.callback_function(ctx.slot, ctx.gen)
  if not fn then
    return nil, errors.new('NOT_FOUND', 'the function was released; it cannot be called any more')
  end
  return fn(ctx, ...)
end

local function compile()
  local mid = #context.methods + 1
  local method = {
    mid = mid,
    interface = 'perilune.Callback',
    alias = '',
    method = 'notify',
    title = 'a callback',
    handler = run,
    body = false,
    idempotent = false,
  }
  context.methods[mid] = method
  return { name = 'notify', chain = chain.provider(method, {}), body = false }
end

-- Ends what providers may do with a function: their later calls of it fail as NOT_FOUND. Returns how
-- many held it.
---@param fn function
---@return integer
function M.release(fn)
  if type(fn) ~= 'function' then
    error(('perilune.release: a function is wanted, got a %s'):format(type(fn)), 2)
  end
  return core.callback_release(fn)
end

if core.callback_meta then
  complete(core.callback_meta())
  core.export('perilune.Callback', '', { compile() }, { callback = true })
end

return M
