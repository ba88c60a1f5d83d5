-- SPDX-License-Identifier: MIT
-- What policies need and nothing more: time, randomness, log, shared counters, futures and other
-- policies, all through tables of ours, so that the same files run in a simulator.
local core = require 'perilune.core'
local dispatch = require 'perilune.cluster.dispatch'
local errors = require 'perilune.error'
local future = require 'perilune.entry.future'
local log = require 'perilune.log'
local operand = require 'perilune.cluster.operand'
local plugin = require 'perilune.plugin'
local retry = require 'perilune.cluster.retry'
local C = require 'perilune.ffi'

---@class perilune.Policy
local M = {
  clock = core.clock,
  random = core.random,
  log = log,
  shared = { incr = core.shared_incr, get = core.shared_get, set = core.shared_set },
  error = errors.error,
  null = core.null,
  future = future.manual,
  retry = retry,
  -- 'arg.1', 'attachment.user' or a function as function(ctx, call) -> value
  value = operand.of_call,
}

-- Runs `fn(...)` beside the caller; its result completes the future, whose cancel ends it.
---@param fn function
---@return perilune.Future
function M.async(fn, ...)
  local args, n = { ... }, select('#', ...)
  return future.run(function()
    return fn(unpack(args, 1, n))
  end)
end

-- A number in [0, 1) that is the same for the same text everywhere.
---@param text string
---@return number
function M.hash(text)
  return C.peri_balance_hash(text, #text)
end

-- Does the failure speak against the node rather than the call?
---@param err perilune.Error
---@return boolean
function M.blames_node(err)
  return dispatch.NODE_FAULT[err.code] or false
end

-- The function a plugin of the point is about: `pick` of a balancer, `route` of a router.
local function main_member(point)
  for member, rule in pairs(plugin.get_point(point).members) do
    if rule.required and rule.type == 'function' then
      return member
    end
  end
end

-- Another policy, to be built upon: `use('loadbalance', 'p2c')` gives { pick, done }. Always the
-- table form. `ref` is what a declaration takes. Nil and a message when it is unknown or wrong.
---@param point string
---@param ref any
---@return table?
---@return string? message
function M.use(point, ref)
  local instance, record = plugin.use(point, ref)
  if instance == nil then
    return nil, record --[[@as string]]
  end
  return type(instance) == 'function' and { [main_member(point)] = instance } or instance
end

return M
