-- SPDX-License-Identifier: MIT
-- Runs what stands at the top level of a script or of a configuration. In a process that serves already its
-- worker serves nobody until that returns: so it has to return in time, and it must not end the process. The
-- same goes for the start functions of a script that is loaded then.
-- Nothing of it is compiled meanwhile: compiled loops cannot be interrupted, and code that runs once gains nothing.
-- A script that computes for long may say jit.on().
local core = require 'perilune.core'
local exit = require 'perilune.exit'
local ffi = require 'ffi'
local jit = require 'jit'

local M = {}

M.MS = 5000 -- where no setting says
local STEP = 100000 -- instructions between two looks at the clock

ffi.cdef [[
struct peri_toplevel_time { long sec; long nsec; };
int peri_toplevel_clock(int clock, struct peri_toplevel_time *now) __asm__("clock_gettime");
]]
local THREAD_CPU = 3
local time = ffi.new 'struct peri_toplevel_time'

local EXIT = 'os.exit while reloading would end the process and all its calls'

-- ms this thread has computed. Not the time that went by: on a busy machine others may run for most of it.
local function computed()
  ffi.C.peri_toplevel_clock(THREAD_CPU, time)
  return tonumber(time.sec) * 1e3 + tonumber(time.nsec) / 1e6
end

local LOADING =
  'still loading after load_timeout = %d ms; what takes long belongs into perilune.start'
local ASIDE = 'still computing after load_timeout = %d ms, in which its worker serves nobody; '
  .. 'perilune.sleep(0) now and then lets it'

local function watch(ms, text)
  local till = computed() + ms
  return function()
    if computed() > till then
      error(text:format(ms), 2) -- and again, should the script catch it
    end
  end
end

-- What a script says of the compiler as a whole holds when its top level has returned.
local wish
local switches = { on = jit.on, off = jit.off }
for name, switch in pairs(switches) do
  jit[name] = function(...) -- luacheck: ignore 122
    if select('#', ...) == 0 then
      wish = name
    end
    return switch(...)
  end
end

-- From here on nothing is compiled, and with `ms` what takes longer raises, as does os.exit. Returns what
-- ends that.
local function bound(ms, text)
  local was_on, is_watched = jit.status(), ms and ms ~= 0 and not debug.gethook()
  local forbidden = exit.forbidden
  exit.forbidden = ms and EXIT or forbidden
  wish = was_on and 'on' or 'off'
  switches.off()
  if is_watched then
    debug.sethook(watch(ms, text), '', STEP)
  end
  return function()
    exit.forbidden = forbidden
    if is_watched then
      debug.sethook()
    end
    switches[wish]()
  end
end

-- `xpcall(fn, handler, ...)`; with `ms` bounded, as it has to be in a process that serves.
---@param ms? number  0 = any time
---@param fn function
---@param handler fun(err: any): any
---@return boolean ok
---@return any
function M.run(ms, fn, handler, ...)
  local unbound = bound(ms, LOADING)
  local ok, result = xpcall(fn, handler, ...)
  unbound()
  return ok, result
end

-- The same for what the scripts of a reload do before and after they serve (start functions and warm-ups of
-- the next generation, stop functions of the last): each turn of it is bounded.
---@param ms number  0 = any time
function M.bound_aside(ms)
  local unbound
  core.on_aside(function(begins)
    if begins then
      unbound = bound(ms, ASIDE)
    else
      unbound()
    end
  end)
end

return M
