-- SPDX-License-Identifier: MIT
-- Fibers that wait for one thing to happen. A fiber that is woken looks again whether it happened:
-- being woken is a hint, not a promise.
local core = require 'perilune.core'

---@class perilune.cluster.Waiters
local Waiters = {}
Waiters.__index = Waiters

local M = {}

---@return perilune.cluster.Waiters
function M.new()
  return setmetatable({}, Waiters)
end

-- Parks the running fiber until wake() or for `ms`. False on timeout or cancellation, with which.
---@async
---@param ms? number
---@return boolean
---@return string? reason
function Waiters:wait(ms)
  local fiber = core.fiber()
  self[fiber] = true
  local woken, value = core.park(ms)
  self[fiber] = nil
  return woken, value
end

-- Wakes all.
function Waiters:wake()
  local list
  for fiber in pairs(self) do
    list = list or {}
    list[#list + 1] = fiber
  end
  for _, fiber in ipairs(list or {}) do
    self[fiber] = nil
    core.wake(fiber, true)
  end
end

return M
