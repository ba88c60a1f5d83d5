-- SPDX-License-Identifier: MIT
-- Callbacks: a function among the arguments of a call is a callable object at the provider. Calling it
-- runs the function here, over the connection the call came on, as a call with a ctx of its own. Most
-- of it is C (src/lua/callback.c); this completes the objects and compiles the chain of the functions.
local chain = require 'perilune.entry.chain'
local context = require 'perilune.entry.context'
local core = require 'perilune.core'
local errors = require 'perilune.error'
local interfaces = require 'perilune.entry.interface'
local exceptions = require 'perilune.protocol.java_exception'

local M = {}

M.TIMEOUT = 5000 -- ms of a call that says none; never more than what is left of the running call

-- ── provider: what a handler gets ───────────────────────────────────────────────────────────────

---@class perilune.Callback
local Callback = {}

local OPTIONS = { timeout = 'number', method = 'string', oneway = 'boolean', attachments = 'table' }

local function checked(options)
  if type(options) ~= 'table' then
    local text = 'callback:call: options come first, such as { timeout = 100 }; got a %s'
    error(text:format(type(options)), 3)
  end
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

local TYPES = 16 -- of core.request's flags: from here on the number of core.argument_types

local function request(callback, options, name, types, ...)
  local ok, a, b, c = core.request(
    callback,
    0,
    name,
    { n = select('#', ...), ... },
    options.timeout or M.TIMEOUT,
    options.attachments,
    (options.oneway and 1 or 0) + TYPES * types
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

-- The call of a declared method: checks its arguments and gives them their types. Kept with the method,
-- so that it goes with the generation that declared it.
local function caller_of(interface, name)
  local method = interface.methods[name]
  if not method.caller then
    local types = interfaces.types_number(interface, name)
    method.caller = interfaces.caller(interface, name, function(to, ...)
      return request(to.callback, to.options, name, types, ...)
    end)
  end
  return method.caller
end

local function call(callback, options, ...)
  local interface = interfaces.of_callback(callback)
  local name = options.method or interface and interface.only or 'notify'
  if not interface then
    return request(callback, options, name, 0, ...)
  elseif not interface.methods[name] then
    local near = errors.suggest(name, interface.methods)
    local text = ("%s declares no method '%s'%s"):format(interface.name, name, near)
    return nil, errors.new('NO_METHOD', text, { outcome = 'NOT_SENT' })
  end
  return caller_of(interface, name)({ callback = callback, options = options }, ...)
end

-- Calls it with options; `callback(...)` is `callback:call({}, ...)`. The method is the one its Java
-- interface declares; where there are several, or where it is not declared, `options.method` names it.
---@async
---@param options {timeout?: number, method?: string, oneway?: boolean, attachments?: table}
---@return any result
---@return perilune.Error? err
function Callback.call(self, options, ...)
  return call(self, checked(options), ...)
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
    return call(self, NONE, ...)
  end
  -- Two objects may stand for the same function, one that a Java consumer gives away again.
  function meta.__eq(a, b)
    local _, _, one = core.callback_alive(a)
    local _, _, other = core.callback_alive(b)
    return one ~= 0 and one == other
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
