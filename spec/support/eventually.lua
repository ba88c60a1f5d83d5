-- SPDX-License-Identifier: MIT
-- Waits for a condition with a limit instead of sleeping for a guess:
--
--   eventually(function() return seen == 3 end)
--   eventually(cond, { step = function() lib.uv_run(loop, 2) end, limit = 5, what = 'three frames' })
--
-- `step` lets time pass (one loop turn, for one); without it the process yields to others for a
-- millisecond. The limit only ends a spec that would hang; nothing is measured.
local ffi = require 'ffi'

ffi.cdef [[
struct peri_spec_timespec { long sec; long nsec; };
int clock_gettime(int clock, struct peri_spec_timespec *now);
int poll(void *fds, unsigned long count, int timeout);
]]

local MONOTONIC = 1
local now = ffi.new 'struct peri_spec_timespec'

local function seconds()
  ffi.C.clock_gettime(MONOTONIC, now)
  return tonumber(now.sec) + tonumber(now.nsec) / 1e9
end

local function pause()
  ffi.C.poll(nil, 0, 1)
end

---@param cond fun(): any
---@param options? {step?: fun(), limit?: number, what?: string}
---@return any # what `cond` returned when it was true
local function eventually(cond, options)
  options = options or {}
  local step = options.step or pause
  local last = seconds() + (options.limit or 10)
  while true do
    local result = cond()
    if result then
      return result
    end
    if seconds() > last then
      error(
        ('still not true after %g s: %s'):format(options.limit or 10, options.what or 'condition'),
        2
      )
    end
    step()
  end
end

return eventually
