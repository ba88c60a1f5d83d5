-- SPDX-License-Identifier: MIT
-- What policies need and nothing more: time, randomness, log, shared counters, futures and other
-- policies, all through tables of ours, so that the same files run in a simulator.
local condition = require 'perilune.cluster.condition'
local core = require 'perilune.core'
local dispatch = require 'perilune.cluster.dispatch'
local errors = require 'perilune.error'
local events = require 'perilune.events'
local future = require 'perilune.entry.future'
local keys = require 'perilune.entry.key'
local log = require 'perilune.log'
local operand = require 'perilune.cluster.operand'
local plugin = require 'perilune.plugin'
local retry = require 'perilune.cluster.retry'
local text_of = require 'perilune.text'
local C = require 'perilune.ffi'

---@class perilune.Policy
local M = {
  clock = core.clock,
  walltime = core.walltime,
  random = core.random,
  log = log,
  shared = require 'perilune.shared',
  -- Randomness comes from a seed: what others must not guess is made of secrets.
  crypto = { sha256 = core.sha256, hmac_sha256 = core.hmac_sha256, same = core.same },
  publish = events.publish,
  error = errors.error,
  error_of = errors.from,
  null = core.null,
  future = future.manual,
  retry = retry,
  -- 'arg.1', 'attachment.user' or a function as function(ctx, call) -> value
  value = operand.of_call,
  -- a table like { 'in', 'node.zone', { 'a' } } as { test(ctx, call, node), of_call, of_node }
  condition = condition.compile,
}

-- Values as a text to find them by, the same for equal ones: key(prefix, values, n, limit). Nil when it
-- would be longer than `limit` (65536) bytes, or tables are nested too deep.
M.key = keys.of

M.json = {}

-- A value as JSON text, or nil and what is wrong with it.
---@param value any
---@return string?
---@return string? message
function M.json.encode(value)
  return core.encode(value)
end

-- The value of a JSON text, or nil and what is wrong with it.
---@param text string
---@return any
---@return string? message
function M.json.decode(text)
  return core.decode(text)
end

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
---@param text string|number|boolean
---@return number
function M.hash(text)
  text = text_of(text)
  return C.peri_balance_hash(text, #text)
end

-- A value of its own, so that nobody changes what others hold. Tables keep their class
-- and have no circles.
---@generic T
---@param value T
---@return T
function M.copy(value)
  if type(value) ~= 'table' then
    return value
  end
  local made = {}
  for name, inner in pairs(value) do
    made[name] = M.copy(inner)
  end
  return setmetatable(made, getmetatable(value))
end

-- A copy of a value that outlives its call, like a result in a cache, and the bytes it costs, about.
-- Nil for what cannot be kept: bodies and functions, circles, more than 31 tables within each other,
-- what costs more than `limit` bytes (16 MiB): a table that stands in two places is copied twice.
---@type fun(value: any, limit?: number): any, integer?
M.kept = core.kept

-- A set of error codes; raises for one that there is not.
---@param codes string[]
---@return table<string, boolean>
function M.code_set(codes)
  local set = {}
  for _, code in ipairs(codes) do
    if not errors.codes[code] then
      local near = errors.suggest(tostring(code), errors.codes)
      error(("no error code '%s'%s"):format(tostring(code), near), 0)
    end
    set[code] = true
  end
  return set
end

-- A value as a text by which equal ones are told from others: what it says, of a table its content. Nil
-- for nil, and for tables that are too large for a key.
---@param value any
---@return string?
function M.text(value)
  if value == nil or value == core.null then
    return nil
  elseif type(value) == 'table' then
    return keys.of('', { value }, 1)
  end
  return text_of(value)
end

-- Does the failure speak against the node rather than the call?
---@param err perilune.Error
---@return boolean
function M.blames_node(err)
  return dispatch.NODE_FAULT[err.code] or false
end

-- A counter of the process, found or added, shown by `perilune status`: `count(by)` adds to it.
---@param name string
---@param labels? table<string, string>
---@return fun(by?: number)
function M.counter(name, labels)
  local metric
  return function(by)
    if by ~= nil and not (type(by) == 'number' and math.abs(by) < 2 ^ 53) then
      error(('counter %s: a number to add is wanted, got %s'):format(name, tostring(by)), 2)
    end
    metric = metric or core.metric(name, labels)
    if type(metric) == 'number' then
      C.peri_metric_add(metric, by or 1)
    else
      core.count(metric, by or 1) -- specs count by name
    end
  end
end

-- The function a plugin of the point is about: `pick` of a balancer, `route` of a router; nil where the
-- point is about a function alone.
local function main_member(point)
  for member, rule in pairs(plugin.get_point(point).members) do
    if rule.required and rule.type == 'function' then
      return member
    end
  end
end

-- Another policy, to be built upon: `use('loadbalance', 'p2c')` gives { pick, done }. Always the
-- table form, unless the point knows functions only. `ref` is what a declaration takes. Nil and a message
-- when it is unknown or wrong.
---@param point string
---@param ref any
---@return any
---@return string? message
function M.use(point, ref)
  local instance, record = plugin.use(point, ref)
  if instance == nil then
    return nil, record --[[@as string]]
  end
  local member = type(instance) == 'function' and main_member(point)
  return member and { [member] = instance } or instance
end

return M
