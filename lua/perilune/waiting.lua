-- SPDX-License-Identifier: MIT
-- Whether code that runs now may wait. It may not while files load, nor in policies that choose or judge:
-- what they look at is true for this turn only.
local errors = require 'perilune.error'

local M = {}

-- Why waiting is not allowed now, or false.
M.forbidden = false

local function trace(err)
  return errors.is(err) and err or debug.traceback(tostring(err), 2)
end

local function leave(before, ok, ...)
  M.forbidden = before
  if not ok then
    error((...), 0)
  end
  return ...
end

-- `fn`, but a wait in it raises `reason`.
---@param reason string
---@param fn function
---@return function
function M.without(reason, fn)
  return function(...)
    local before = M.forbidden
    M.forbidden = reason
    return leave(before, xpcall(fn, trace, ...))
  end
end

-- A policy, the function or the members of it that must not wait. `members` names those, true means all.
---@param what string  'selector 'canary''
---@param members true|string[]
---@param policy function|table
---@return function|table
function M.policy(what, members, policy)
  local reason = what .. ' must not wait'
  if type(policy) == 'function' then
    return M.without(reason, policy)
  end
  local made = setmetatable({}, { __index = policy })
  if members == true then
    members = {}
    for name in pairs(policy) do
      members[#members + 1] = name
    end
  end
  for _, name in ipairs(members) do
    if type(policy[name]) == 'function' then
      made[name] = M.without(reason, policy[name])
    end
  end
  return made
end

return M
