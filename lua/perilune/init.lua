-- SPDX-License-Identifier: MIT
-- The module users see. Everything here is the contract of the Lua API; what it is made of lives in
-- perilune.entry, perilune.cluster, perilune.protocol.
local callback = require 'perilune.entry.callback'
local context = require 'perilune.entry.context'
local core = require 'perilune.core'
local declare = require 'perilune.entry.declare'
local errors = require 'perilune.error'
local events = require 'perilune.events'
local future = require 'perilune.entry.future'
local generic = require 'perilune.entry.generic'
local generation = require 'perilune.generation'
local options = require 'perilune.entry.options'
local plugin = require 'perilune.plugin'
local policy = require 'perilune.policy'
local proxy = require 'perilune.entry.proxy'
local C = require 'perilune.ffi'

local sleep, type = core.sleep, type

---@class perilune
local M = { _VERSION = core.version }

-- ── declaring ───────────────────────────────────────────────────────────────────────────────────

M.export, M.refer, M.listen = declare.export, declare.refer, declare.listen
M.main, M.start, M.stop, M.every = declare.main, declare.start, declare.stop, declare.every
M.defaults = options.set_defaults
M.expose = require('perilune.process.embed').expose

for _, point in ipairs(plugin.points()) do
  M[point] = function(name, body)
    return plugin.register(point, name, body)
  end
end

-- ── calling ─────────────────────────────────────────────────────────────────────────────────────

M.with, M.oneway, M.ready, M.call = proxy.with, proxy.oneway, proxy.ready, proxy.call

-- Of a proxy: calls through the result return a future at once. Of a function: runs `what(...)` beside
-- the caller; the future is of what it returns.
---@param what perilune.Proxy|function
---@return any
function M.async(what, ...)
  if type(what) == 'function' then
    return policy.async(what, ...)
  end
  return proxy.async(what)
end

local function no_streams()
  error('streams are not there yet; send a list, or call once for each message', 2)
end
M.open, M.stream = no_streams, no_streams
M.connect = require('perilune.transport.socket').connect
M.all, M.any, M.race = future.all, future.any, future.race
M.future = future.manual
M.release = callback.release
M.generic = generic.new
M.interface = require('perilune.entry.interface').new

-- The result, when there is no error; else raises the error.
---@generic T
---@param result T
---@param err? any
---@return T
function M.check(result, err)
  if err ~= nil then
    error(err, 0)
  end
  return result
end

-- ── events ──────────────────────────────────────────────────────────────────────────────────────

M.events = events
M.on, M.publish, M.broadcast = events.on, events.publish, events.broadcast

-- ── errors ──────────────────────────────────────────────────────────────────────────────────────

M.error = errors.error
-- What a handler or filter gave as its error, as an error: a string becomes one of code UNKNOWN.
M.error_of = errors.from

-- ── waiting ─────────────────────────────────────────────────────────────────────────────────────

-- Waits for `ms` milliseconds. Raises when the call or task is cancelled or its deadline passes.
---@async
---@param ms number
function M.sleep(ms)
  if type(ms) ~= 'number' or ms < 0 or ms ~= ms then
    error('perilune.sleep: milliseconds must be a number of at least 0', 2)
  end
  if generation.active > 1 and core.retired() then
    core.cancel(core.fiber()) -- work of a generation that was replaced ends at its next rest
  end
  local why = sleep(ms)
  if why then
    error(errors.new(why, why == 'TIMEOUT' and 'deadline exceeded' or 'the wait was ended'), 0)
  end
end

-- C logs what a task throws, with its traceback, and is quiet about tasks that were cancelled.
local function unpacked(fn, args)
  fn(unpack(args, 1, args.n))
end

local function start(detached, fn, ...)
  if type(fn) ~= 'function' then
    error('a function is wanted', 3)
  end
  local n = select('#', ...)
  if n > 2 then
    return core.spawn(unpacked, fn, { n = n, ... }, detached, generation.owner()) ~= nil
  end
  local a, b = ...
  return core.spawn(fn, a, b, detached, generation.owner()) ~= nil
end

-- Runs `fn(...)` beside the caller, with its deadline, trace and cancellation.
---@param fn function
function M.spawn(fn, ...)
  return start(false, fn, ...)
end

-- The same without deadline, trace and cancellation of the caller.
---@param fn function
function M.detached(fn, ...)
  return start(true, fn, ...)
end

-- The ctx of the call this code works for, or nil.
---@return perilune.Context?
function M.context()
  return context.current()
end

-- ── the world ───────────────────────────────────────────────────────────────────────────────────

M.clock, M.walltime, M.random = core.clock, core.walltime, core.random

-- Exact time in ms, for measuring; the turn's time is `clock`.
---@return number
function M.hrtime()
  return C.peri_clock_hrtime_ms()
end

M.null, M.array, M.bytes, M.typed = core.null, core.array, core.bytes, core.typed
M.class_of = core.class_of
M.java = require 'perilune.protocol.java'

M.shared, M.log, M.policy = policy.shared, policy.log, policy
M.crypto, M.counter, M.use = policy.crypto, policy.counter, policy.use

-- What is in the file of a secret, without the newline at its end; raises when it cannot be read.
---@param path string
---@return string
function M.secret(path)
  local text, message = require('perilune.cli.secrets').read(path)
  if not text then
    error(('%s: %s'):format(plugin.place(), message), 0)
  end
  return text
end

local states = {}
-- A table that survives a reload: made by `init()` the first time, the same one afterwards.
---@param name string
---@param init? fun(): table
---@return table
function M.state(name, init)
  if type(name) ~= 'string' then
    error(('%s: perilune.state: a name is wanted, got a %s'):format(plugin.place(), type(name)), 0)
  elseif states[name] == nil then
    states[name] = init and init() or {}
  end
  return states[name]
end

policy.state = M.state

return M
