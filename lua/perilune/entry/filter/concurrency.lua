-- SPDX-License-Identifier: MIT
-- At most `limit` calls at once through one refer and worker; the others wait in line for a place, at
-- most as long as their deadline. (A provider's limit is the method option `concurrency`: it is counted
-- for the process in C, and refuses instead of waiting.)
--
--   perilune.refer { ..., concurrency = 10 }
local core = require 'perilune.core'
local perilune = require 'perilune'

-- Waits in line. True, or nil and why there was no place. Being woken is a hint: the place is given
-- by `granted`, and who left the line may be parked for something else by now.
---@async
local function wait_in(line, ctx)
  local entry = { fiber = core.fiber(), granted = false }
  line.last = line.last + 1
  line[line.last] = entry
  local woken, why
  repeat
    woken, why = core.park(ctx:left())
  until entry.granted or not woken
  entry.fiber = nil
  if entry.granted then
    return true
  end
  return nil,
    perilune.error(
      why,
      why == 'TIMEOUT' and 'no place was free within the deadline (concurrency)' or nil
    )
end

-- Hands the place to the first in line who still waits; false when nobody does.
local function hand_over(line)
  while line.first <= line.last do
    local entry = line[line.first]
    line[line.first] = nil
    line.first = line.first + 1
    if entry.fiber and core.wake(entry.fiber, true) then
      entry.granted = true
      return true
    end
  end
  return false
end

return {
  name = 'concurrency',
  side = 'consumer',
  schema = {
    limit = { type = 'integer', min = 1, required = true, help = 'most calls at once' },
  },
  new = function(conf)
    local limit, active = conf.limit, 0
    local line = { first = 1, last = 0 }
    return function(ctx, call, next)
      if active >= limit then
        local ok, err = wait_in(line, ctx)
        if not ok then
          return nil, err
        end
      else
        active = active + 1
      end
      local ok, result, err = pcall(next, ctx, call)
      if not hand_over(line) then
        active = active - 1
      end
      if not ok then
        error(result, 0)
      end
      return result, err
    end
  end,
}
