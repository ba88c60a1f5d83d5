-- SPDX-License-Identifier: MIT
-- What a declaration says about choosing nodes, compiled once: selectors, router, balancer and
-- candidate, with what single methods say instead.
local dispatch = require 'perilune.cluster.dispatch'
local ejection = require 'perilune.cluster.ejection'
local plugin = require 'perilune.plugin'
local retry = require 'perilune.cluster.retry'
local selectors = require 'perilune.cluster.selector'

local M = {}

---@class perilune.cluster.Plan
---@field selectors perilune.cluster.Selector[]
---@field count integer      of the selectors
---@field indexed boolean     a selector tells nodes apart by a key
---@field route function
---@field router string       its name
---@field trusted boolean     the router comes with the installation
---@field fanout? boolean     it asks several nodes at once, each once
---@field router_of fun(call: any): perilune.cluster.Plan|perilune.cluster.MethodPlan  who routes it
---@field pick function
---@field done? function
---@field balancer string     name of the balancer
---@field choose function
---@field candidate string    its name
---@field ramp? fun(age: number, weight: number): number
---@field ejection? table
---@field methods? table<string, perilune.cluster.MethodPlan>
---@field direct boolean      first attempts may take the short way
---@field first? fun(ctx: any, call: any): number?   ms of the first attempt
---@field repeats? fun(ctx: any, call: any, err: perilune.Error): boolean  may the call be made again?
---@field failed? fun(ctx: any, call: any, err: perilune.Error): any, any  of a call without a node
---@field again? function     what follows a first attempt that failed

---@class perilune.cluster.MethodPlan
---@field route? function
---@field router? string
---@field trusted? boolean
---@field fanout? boolean
---@field repeats? function
---@field failed? function
---@field pick? function
---@field done? function

-- The function a plugin is about: itself, or its member.
local function entry_of(instance, member)
  return type(instance) == 'function' and instance or instance[member]
end

local RETRY = { 'retries', 'attempt_timeout', 'retry_on', 'retry_target' }

-- What a declaration says about attempts are settings of its router, where that has them and does not
-- say otherwise.
local function router_ref(refer, default)
  local ref = refer.router or default
  local name = type(ref) == 'table' and ref[1] or ref
  local record = type(name) == 'string' and plugin.find('router', name)
  if not record then
    return ref
  end
  local schema, conf = record.schema or {}, { name }
  for _, key in ipairs(RETRY) do
    if schema[key] then
      conf[key] = refer[key]
    end
  end
  for key, value in pairs(type(ref) == 'table' and ref or {}) do
    conf[key] = value
  end
  return conf
end

-- What is wrong with what is said about attempts where the router takes no notice of it, or nil.
local function wrong_attempts(refer)
  local wrong = retry.check_timeout(refer.attempt_timeout)
  wrong = wrong or select(2, retry.predicate(refer.retry_on))
  return wrong or select(2, retry.target(refer.retry_target))
end

local function add_router(plan, refer, default)
  local instance, record = plugin.use('router', router_ref(refer, default))
  if instance == nil then
    return record
  end
  plan.route = entry_of(instance, 'route')
  plan.router, plan.trusted = record.name, record.library
  if type(instance) == 'table' then
    plan.fanout, plan.failed = instance.fanout, instance.failed
  end
  -- Our own routers say what comes before and after a first attempt, so that a call which needs no
  -- second one takes the short way (cluster/direct.lua).
  if record.library and type(instance) == 'table' then
    plan.first, plan.again, plan.repeats = instance.first, instance.again, instance.repeats
  end
  return wrong_attempts(refer)
end

local function add_balancer(plan, ref)
  local instance, record = plugin.use('loadbalance', ref)
  if instance == nil then
    return record
  end
  plan.pick, plan.balancer = entry_of(instance, 'pick'), record.name
  plan.done = type(instance) == 'table' and instance.done or nil
end

local function method_plan(refer, conf)
  local plan, message = {}, nil
  if conf.router or conf.retry_on or conf.retry_target then
    local given = { router = conf.router or refer.router }
    for _, key in ipairs(RETRY) do
      given[key] = conf[key] == nil and refer[key] or conf[key]
    end
    message = add_router(plan, given, plugin.get_point('router').default)
  end
  if not message and conf.loadbalance then
    message = add_balancer(plan, conf.loadbalance)
  end
  return not message and plan or nil, message
end

local function add_methods(plan, refer)
  local own_pick = false
  for name, conf in pairs(refer.methods or {}) do
    if type(conf) == 'table' then
      local method, message = method_plan(refer, conf)
      if not method then
        return ("method '%s': %s"):format(name, message)
      end
      if next(method) ~= nil then
        plan.methods = plan.methods or {}
        plan.methods[name] = method
        own_pick = own_pick or method.pick ~= nil
      end
    end
  end
  if own_pick then
    local default, methods = plan.pick, plan.methods
    plan.pick = function(ctx, call, nodes)
      local method = methods[call.method]
      return (method and method.pick or default)(ctx, call, nodes)
    end
  end
end

-- What changes the weight and the standing of nodes with time.
local function add_states(plan, refer)
  if refer.slow_start then
    local ref = refer.slow_start == true and plugin.get_point('slow_start').default
    local ramp, record = plugin.use('slow_start', ref or refer.slow_start)
    if ramp == nil then
      return record
    end
    plan.ramp = ramp
  end
  if refer.ejection then
    local conf, message = ejection.check(refer.ejection)
    plan.ejection = conf
    return message
  end
end

-- `tag = 'blue'` or `tag = { key = 'zone' }` is short for the selector of that name, before others.
local function with_tag(refer)
  local refs = refer.selectors
  if refer.tag == nil or refer.tag == false then
    return refs
  end
  local conf = { 'tag' }
  if type(refer.tag) == 'table' then
    for key, value in pairs(refer.tag) do
      conf[key] = value
    end
  elseif refer.tag ~= true then
    conf.value = tostring(refer.tag)
  end
  return { conf, unpack(type(refs) == 'table' and refs or { refs }) }
end

-- The plan of a declaration, or nil and what is wrong with it.
---@param refer table
---@return perilune.cluster.Plan?
---@return string? message
function M.compile(refer)
  local list, message = selectors.compile(with_tag(refer))
  if not list then
    return nil, message
  end
  local plan = { selectors = list, count = #list, indexed = false }
  for _, selector in ipairs(list) do
    plan.indexed = plan.indexed or selector.by ~= nil
  end
  message = add_router(plan, refer, plugin.get_point('router').default)
    or add_balancer(plan, refer.loadbalance or plugin.get_point('loadbalance').default)
  if message then
    return nil, message
  end
  local candidate, record =
    plugin.use('candidate', refer.candidate or plugin.get_point('candidate').default)
  if candidate == nil then
    return nil, record --[[@as string]]
  end
  plan.choose, plan.candidate = entry_of(candidate, 'choose'), record.name
  message = select(2, dispatch.budget(refer.retry_budget))
    or add_states(plan, refer)
    or add_methods(plan, refer)
  if message then
    return nil, message
  end
  function plan.router_of(call)
    local method = plan.methods and plan.methods[call.method]
    return method and method.route and method or plan
  end
  plan.direct = plan.again ~= nil and not plan.methods and not plan.done
  return plan
end

return M
