-- SPDX-License-Identifier: MIT
-- Collects one letter from each of several workers.
local core = require 'perilune.core'

---@class perilune.process.Gather
---@field replies table<integer, table>  by worker number
---@field count integer
---@field wanted integer
---@field wait fun(ms: number): boolean

-- Begins to collect letters called `name`, whose payload is JSON, until `wanted` workers have sent one.
---@param name string
---@param wanted integer
---@return perilune.process.Gather
return function(name, wanted)
  local self = { replies = {}, count = 0, wanted = wanted }
  core.on_message(name, function(payload, from)
    if not self.replies[from] then
      self.count = self.count + 1
    end
    self.replies[from] = core.decode(payload) or {}
    if self.waiter and self.count >= self.wanted then
      core.wake(self.waiter, true)
    end
  end)

  -- Waits for all, at most `ms`. False when some are missing.
  ---@async
  ---@param ms number
  ---@return boolean
  function self.wait(ms)
    if self.count < self.wanted then
      self.waiter = core.fiber()
      core.park(ms)
      self.waiter = nil
    end
    return self.count >= self.wanted
  end
  return self
end
