-- SPDX-License-Identifier: MIT
-- At most `limit` calls at once through one refer and worker; the others wait in line for a place, at
-- most as long as their deadline. (A provider's limit is the method option `concurrency`: it is counted
-- for the process in C, and refuses instead of waiting.)
--
--   perilune.refer { ..., concurrency = 10 }
local perilune = require 'perilune'

-- Hands the place to the first in line who still waits; false when nobody does.
local function hand_over(line)
  while line.first <= line.last do
    local give = line[line.first]
    line[line.first] = nil
    line.first = line.first + 1
    if give and give(true) then
      return true
    end
  end
  return false
end

-- Who gave up is not kept until a place is free, which may be long.
local function step_out(line, number)
  if line[number] then
    line[number] = false
  end
  while line.first <= line.last and not line[line.first] do
    line[line.first] = nil
    line.first = line.first + 1
  end
end

-- Waits in line. True, or nil and why there was no place.
---@async
local function wait_in(line, ctx)
  local place, give = perilune.future()
  line.last = line.last + 1
  local number = line.last
  line[number] = give
  local granted, err = place:await(ctx:left())
  local cancelled = ctx:cancelled()
  if granted and not cancelled then
    return true
  elseif granted then
    line.leave() -- it was given to a call that had just ended
  end
  place:cancel()
  step_out(line, number)
  if err and err.code == 'TIMEOUT' then
    return nil, perilune.error('TIMEOUT', 'no place was free within the deadline (concurrency)')
  end
  return nil, err or perilune.error(cancelled)
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
    function line.leave()
      if not hand_over(line) then
        active = active - 1
      end
    end
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
      line.leave()
      if not ok then
        error(result, 0)
      end
      return result, err
    end
  end,
}
