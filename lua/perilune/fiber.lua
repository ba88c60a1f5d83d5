-- SPDX-License-Identifier: MIT
-- The Lua half of fibers: how a wait is yielded, and coroutines of users that pass our waits outward. A
-- wait is a yield whose first value is core.WAIT; C parks the fiber and what ends the wait becomes the
-- results of the yield.
local core = require 'perilune.core'
local ffi = require 'ffi'
local waiting = require 'perilune.waiting'

local WAIT = core.WAIT
local yield, resume, create = coroutine.yield, coroutine.resume, coroutine.create
local SLEEP, PARK, REQUEST, CONNECT, SESSION = 2, 3, 4, 5, 6 -- peri_wait in src/lua/fiber.h

-- A service of a thousand methods has a thousand chains, each a trace of its own or several; the
-- defaults (1000 traces, 512 KiB) make it four times slower by flushing them all again and again. Tail
-- calls count as turns of a loop: a filter makes two or three, and with 15 a chain of six is not compiled.
require('jit.opt').start('maxtrace=20000', 'maxmcode=65536', 'sizemcode=512', 'loopunroll=40')

local M = {}

-- The turn's time in ms, read where compiled code can read it.
local tonumber = tonumber
local now_ns = ffi.cast('const uint64_t *', core.now)
function core.clock()
  return tonumber(now_ns[0]) * 1e-6
end

-- The yield itself and the number of a request, for cluster/direct.lua: a frame less on the stack of
-- every call in flight.
core.yield, core.REQUEST = yield, REQUEST

local function check()
  if waiting.forbidden then
    error(require('perilune.plugin').place() .. ': ' .. waiting.forbidden, 0)
  end
end

-- Returns nothing, or why the wait was ended: the code's name.
function core.sleep(ms)
  check()
  return yield(WAIT, SLEEP, ms)
end

-- Returns what it was woken with, or false and the code's name.
function core.park(ms)
  check()
  return yield(WAIT, PARK, ms)
end

function core.request(conn, session, method, args, timeout, attachments, flags, counters)
  check()
  return yield(WAIT, REQUEST, conn, session, method, args, timeout, attachments, flags, counters)
end

function core.connect(url, options)
  check()
  return yield(WAIT, CONNECT, url, options)
end

function core.session(conn, params)
  check()
  return yield(WAIT, SESSION, conn, params)
end

-- A coroutine of a user that yields one of our waits hands it to whoever resumed it, up to the fiber,
-- and gets the results back: so a generator may call a service.
local function pass(co, ok, first, ...)
  if ok and first == WAIT then
    return pass(co, resume(co, yield(first, ...)))
  end
  return ok, first, ...
end

---@diagnostic disable: duplicate-set-field
function coroutine.resume(co, ...)
  return pass(co, resume(co, ...))
end

local function unwrap(ok, ...)
  if not ok then
    error((...), 0)
  end
  return ...
end

function coroutine.wrap(fn)
  local co = create(fn)
  return function(...)
    return unwrap(pass(co, resume(co, ...)))
  end
end

function coroutine.yield(...)
  if core.in_fiber() then
    error('coroutine.yield outside a coroutine of yours; to wait use perilune.sleep or a future', 2)
  end
  return yield(...)
end

require 'perilune.finalizer'

return M
