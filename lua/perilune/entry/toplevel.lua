-- SPDX-License-Identifier: MIT
-- Runs what stands at the top level of a script or of a configuration in a process that serves already.
-- Until it returns its worker serves nobody, so it has to return in time, and it must not end the process.
-- Nothing of it is compiled meanwhile, because compiled loops cannot be interrupted.
local core = require 'perilune.core'
local jit = require 'jit'

local M = {}

M.MS = 5000 -- where no setting says
local STEP = 100000 -- instructions between two looks at the clock

local running = false

-- The rest of a script that knows `os.exit` from the time it was loaded may use it later.
local function guard_exit()
  local exit = os.exit
  ---@diagnostic disable-next-line: duplicate-set-field
  function os.exit(...) -- luacheck: ignore 122
    if running then
      error('os.exit while reloading would end the process and all its calls', 2)
    end
    return exit(...)
  end
  guard_exit = function() end
end

local function watch(ms)
  local till = core.hrtime() + ms
  return function()
    if core.hrtime() > till then
      local text =
        'still loading after load_timeout = %d ms; what takes long belongs into perilune.start'
      error(text:format(ms), 2) -- and again, should the script catch it
    end
  end
end

-- `xpcall(fn, handler, ...)`, bounded.
---@param ms number  0 = any time
---@param fn function
---@param handler fun(err: any): any
---@return boolean ok
---@return any
function M.run(ms, fn, handler, ...)
  guard_exit()
  local was_on, is_watched = jit.status(), ms ~= 0 and not debug.gethook()
  jit.off()
  if is_watched then
    debug.sethook(watch(ms), '', STEP)
  end
  running = true
  local ok, result = xpcall(fn, handler, ...)
  running = false
  if is_watched then
    debug.sethook()
  end
  if was_on then
    jit.on()
  end
  return ok, result
end

return M
