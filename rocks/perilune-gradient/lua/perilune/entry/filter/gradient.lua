-- SPDX-License-Identifier: MIT
-- Adaptive concurrency: how many calls run at once follows from how long they take. While calls are as
-- quick as they usually are, the limit grows; when they get slower, because something behind them has
-- begun to queue, it shrinks, and what is above it is refused at once as OVERLOADED, which callers may
-- try elsewhere.
--
--   filters = { { 'gradient', initial = 20, max = 500 } }
--
-- limit' = limit * clamp(tolerance * usual / now, 0.5, 1) + sqrt(limit), smoothed. `usual` is a slow
-- average of the time of calls, `now` a quick one. Counted for each worker and use of the filter.
local policy = require 'perilune.policy'

local QUICK, SLOW = 0.2, 0.005 -- weight of a new sample in each average

---@class perilune.gradient.State
---@field limit number
---@field active integer
---@field now number?    ms, average of the last few calls
---@field usual number?  ms, average of the last few hundred

local function average(old, sample, weight)
  return old and old + (sample - old) * weight or sample
end

-- The limit after a call that took `ms` while `active` ran.
local function adapt(state, conf, ms, active)
  state.now = average(state.now, ms, QUICK)
  state.usual = average(state.usual, ms, SLOW)
  if state.usual > 2 * state.now then
    state.usual = state.usual * 0.95 -- what was slow for long is quick again: believe it sooner
  end
  if active < state.limit / 2 then
    return -- not used up: nothing is learned about a larger one
  end
  local gradient = conf.tolerance * state.usual / math.max(state.now, 1e-6)
  gradient = math.max(0.5, math.min(1, gradient))
  local wanted = state.limit * gradient + math.sqrt(state.limit)
  local limit = state.limit + (wanted - state.limit) * conf.smoothing
  state.limit = math.max(conf.min, math.min(conf.max, limit))
end

return {
  name = 'gradient',
  side = 'both',
  schema = {
    initial = { type = 'number', min = 1, default = 20, help = 'calls at once to begin with' },
    min = { type = 'number', min = 1, default = 4, help = 'never fewer' },
    max = { type = 'number', min = 1, default = 1000, help = 'never more' },
    tolerance = {
      type = 'number',
      min = 1,
      default = 1.5,
      help = 'times slower than usual that is fine',
    },
    smoothing = { type = 'number', min = 0.01, max = 1, default = 0.2, help = 'of each step' },
  },
  new = function(conf)
    if conf.min > conf.max then
      return nil, 'min must not be above max'
    end
    ---@type perilune.gradient.State
    local state = {
      limit = math.max(conf.min, math.min(conf.max, conf.initial)),
      active = 0,
    }
    return function(ctx, call, next)
      if state.active >= math.floor(state.limit) then
        return nil,
          policy.error('OVERLOADED', ('%d calls run already (gradient)'):format(state.active))
      end
      state.active = state.active + 1
      local active, began = state.active, policy.clock()
      local ok, result, err = pcall(next, ctx, call)
      state.active = state.active - 1
      if not ok then
        error(result, 0)
      end
      if err == nil or err.code == 'TIMEOUT' then
        adapt(state, conf, policy.clock() - began, active)
      end
      return result, err
    end
  end,
}
