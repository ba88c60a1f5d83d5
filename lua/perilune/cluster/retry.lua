-- SPDX-License-Identifier: MIT
-- What routers that try again have in common: which failures may be repeated (`retry_on`), where
-- (`retry_target`), and how long an attempt may take (`attempt_timeout`).
local errors = require 'perilune.error'
local nodes_of = require 'perilune.cluster.nodes'
local plugin = require 'perilune.plugin'

local M = {}

local function retryable(_, _, err)
  return err.retryable
end

-- One element of retry_on as a set of codes or a predicate.
local function add(rule, ref)
  if type(ref) == 'string' and ref:match '^%u' then
    if not errors.codes[ref] then
      return ("retry_on: no error code '%s'%s"):format(ref, errors.suggest(ref, errors.codes))
    end
    rule.codes[ref] = true
    return nil
  end
  local instance, record = plugin.use('retry_predicate', ref)
  if instance == nil then
    return 'retry_on: ' .. tostring(record)
  end
  table.insert(rule.predicates, instance)
end

-- Is it one { 'name', key = value }, and not a list of references?
local function has_settings(ref)
  for key in pairs(ref) do
    if type(key) ~= 'number' then
      return true
    end
  end
  return false
end

-- Turns `retry_on` into may(ctx, call, err). Capitals are error codes, other names predicates. What
-- may have run on the server is repeated for idempotent calls alone, whatever the rule says.
---@param refs any  nil, a code, a name, a function, or a list of them
---@return (fun(ctx: any, call: any, err: perilune.Error): boolean)?
---@return string? message
function M.predicate(refs)
  if refs == nil then
    return retryable
  end
  if type(refs) == 'table' and #refs == 0 and next(refs) ~= nil then
    return nil, "retry_on is a list of codes and predicates such as { 'OVERLOADED', 'not_run' }"
  end
  local rule = { codes = {}, predicates = {} }
  for _, ref in ipairs(type(refs) == 'table' and not has_settings(refs) and refs or { refs }) do
    local message = add(rule, ref)
    if message then
      return nil, message
    end
  end
  return function(ctx, call, err)
    if
      err.final or not (err.outcome == 'NOT_SENT' or err.outcome == 'REFUSED' or call.idempotent)
    then
      return false
    elseif rule.codes[err.code] then
      return true
    end
    for _, predicate in ipairs(rule.predicates) do
      if predicate(ctx, call, err) then
        return true
      end
    end
    return false
  end
end

-- Turns `retry_target` into choose(ctx, call, nodes, tried) -> node. `tried` lists the nodes of the
-- attempts so far. A target that leaves no node is passed over.
---@param ref any
---@return function?  (ctx, call, nodes, tried) -> node
---@return string? message
function M.target(ref)
  local narrow, record = plugin.use('retry_target', ref or plugin.get_point('retry_target').default)
  if narrow == nil then
    return nil, 'retry_target: ' .. tostring(record)
  end
  return function(ctx, call, nodes, tried)
    local left = narrow(ctx, call, nodes, tried)
    if left ~= nil and not nodes_of.is(left) then
      local text = "retry_target '%s' must return nodes, got a %s; use nodes:filter or nodes:where"
      error(errors.new('INTERNAL', text:format(record.name, type(left))), 0)
    end
    local node = left and #left > 0 and left:pick(ctx, call)
    return node or nodes:pick(ctx, call)
  end
end

local MODES = { share = true, left = true, half = true }

-- What is wrong with an attempt_timeout, or nil.
---@param value any
---@return string?
function M.check_timeout(value)
  if type(value) == 'number' and value >= 1 or value == nil or MODES[value] then
    return nil
  elseif type(value) == 'table' and #value > 0 then
    for i, ms in ipairs(value) do
      if type(ms) ~= 'number' or ms ~= ms or ms < 1 then
        return ('attempt_timeout[%d] must be a number of at least 1, got %s'):format(
          i,
          tostring(ms)
        )
      end
    end
    return nil
  end
  local text =
    "attempt_timeout must be milliseconds, a list of them, 'share', 'left' or 'half', got %s"
  local kind = type(value)
  local shown = kind == 'string' and ("'%s'"):format(value) or tostring(value)
  return text:format(kind == 'table' and 'a table' or shown)
end

-- Milliseconds of the attempt number `nth` of `attempts`; nil = all that is left.
---@param ctx any
---@param call any
---@param value any  an attempt_timeout
---@param nth integer
---@param attempts integer
---@return number?
function M.timeout(ctx, call, value, nth, attempts)
  local kind = type(value)
  if kind == 'number' then
    return value
  elseif kind == 'table' then
    return value[nth] or value[#value]
  elseif value == 'left' or nth >= attempts then
    return nil
  elseif value == 'half' then
    return ctx:left() / 2
  end
  -- A timeout of a method that is not idempotent ends the call anyway: its attempts get all there is.
  return call.idempotent and ctx:left() / (attempts - nth + 1) or nil
end

return M
