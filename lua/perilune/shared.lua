-- SPDX-License-Identifier: MIT
-- What the workers of a process share on purpose: perilune.shared.
local core = require 'perilune.core'
local ffi = require 'ffi'
local C = require 'perilune.ffi'

local M = { incr = core.shared_incr, get = core.shared_get, set = core.shared_set }

local store = ffi.cast('struct peri_shared *', core.shared)
local now_ns = ffi.cast('const uint64_t *', core.now)

local function is_number(value)
  return type(value) == 'number' and value == value
end

-- One step of a rate limit: calls due `interval` ms apart, `burst` of which may come early. The ms (0 or
-- more, at most `max_wait`) after which this call may go on, counted; or nil and the ms after which to try
-- again. nil and 'LIMITED' when the name is over 255 bytes or, with `keep`, when the store is full (else the
-- oldest key is thrown out).
---@param key string
---@param interval number
---@param burst? number
---@param cost? number
---@param max_wait? number
---@param keep? boolean
---@return number?
---@return number|string|nil
function M.take(key, interval, burst, cost, max_wait, keep)
  if
    type(key) ~= 'string'
    or type(interval) ~= 'number'
    or interval ~= interval
    or interval <= 0
  then
    error('perilune.shared.take: a name and an interval of more than 0 ms are wanted', 2)
  end
  burst, cost, max_wait = burst or 1, cost or 1, max_wait or 0
  if not (is_number(burst) and is_number(cost) and is_number(max_wait)) then
    error('perilune.shared.take: burst, cost and max_wait are numbers', 2)
  end
  local now = tonumber(now_ns[0]) / 1e6
  local wait =
    C.peri_shared_take(store, key, #key, interval, burst, cost, max_wait, keep or false, now)
  if wait >= 0 then
    return wait
  elseif wait < 0 then
    return nil, -wait
  end
  return nil, 'LIMITED'
end

-- Specs without a process bring their own.
M.take = core.shared_take or M.take

return M
