-- SPDX-License-Identifier: MIT
-- Export: from a checked declaration to a table of methods with compiled chains that C serves.
local authenticate = require 'perilune.entry.authenticate'
local chain = require 'perilune.entry.chain'
local context = require 'perilune.entry.context'
local declared = require 'perilune.entry.names'
local core = require 'perilune.core'
local events = require 'perilune.events'
local executors = require 'perilune.entry.executors'
local generation = require 'perilune.generation'
local filters = require 'perilune.entry.filters'
local inproc = require 'perilune.entry.inproc'
local interfaces = require 'perilune.entry.interface'
local options = require 'perilune.entry.options'
local warmup = require 'perilune.entry.warmup'
require 'perilune.entry.hotness'

local M = {}

-- Declarations in service in this VM, by 'interface:alias'.
local open = {} ---@type table<string, table>
-- Numbers of methods that nobody uses any more, by 'interface:alias.method'.
local free = {} ---@type table<string, integer[]>

local function key_of(spec)
  return spec.interface .. ':' .. spec.alias
end

-- A number for a method. Handles of calls that are over still name the method by it, so that it is
-- only given to the same method again.
local function number_of(spec, name)
  local list = free[key_of(spec) .. '.' .. name]
  return list and table.remove(list) or #context.methods + 1
end

local function set_of(list)
  local set = {}
  for _, name in ipairs(list or {}) do
    set[name] = true
  end
  return set
end

-- Names of the methods a declaration exports, sorted, or nil and what is wrong.
---@param spec table
---@return string[]?
---@return string? message
function M.method_names(spec)
  local include, exclude = spec.include and set_of(spec.include), set_of(spec.exclude)
  for option, named in pairs { include = include or {}, exclude = exclude } do
    -- What defaults leave out of every service need not be in each of them.
    local own = option == 'include' or not spec.origins or spec.origins.exclude == spec.place
    for name in pairs(own and named or {}) do
      if spec.service[name] == nil then
        local text = "%s names '%s', which the service does not have"
        return nil, text:format(option, tostring(name))
      end
    end
  end
  for name in pairs(spec.methods) do
    if not spec.service[name] then
      return nil, ("methods has options for '%s', which the service does not have"):format(name)
    end
  end
  local names = {}
  for name, handler in pairs(spec.service) do
    if type(name) ~= 'string' or #name == 0 or #name > 255 then
      return nil, 'a method name must be a string of 1 to 255 bytes'
    end
    if (not include or include[name]) and not exclude[name] then
      if type(handler) ~= 'function' then
        return nil, ("method '%s' must be a function, got a %s"):format(name, type(handler))
      end
      names[#names + 1] = name
    end
  end
  if #names == 0 then
    return nil, 'no method is left to export'
  end
  table.sort(names)
  return names
end

-- Parameters of a service URL that are no meta fields.
local RESERVED = { alias = true, interface = true, serialization = true, weight = true }
local SCALARS = { string = true, number = true, boolean = true }

-- What is wrong with what selectors are to see of the service, or nil.
local function wrong_meta(meta)
  for key, value in pairs(meta) do
    if type(key) ~= 'string' then
      return "meta has names and values, such as { version = 'v2' }"
    elseif RESERVED[key] then
      return ("meta.%s: '%s' is an option beside meta"):format(key, key)
    elseif not SCALARS[type(value)] then
      return ('meta.%s must be a string, number or boolean, got a %s'):format(key, type(value))
    end
  end
end

local function method_of(spec, name)
  local own = spec.methods[name] or {}
  local function option(key)
    if own[key] ~= nil then
      return own[key]
    end
    return spec[key]
  end
  local mid = number_of(spec, name)
  local method = {
    mid = mid,
    interface = spec.interface,
    alias = spec.alias,
    method = name,
    title = spec.interface .. '.' .. name,
    handler = spec.service[name],
    body = option 'body' or false,
    executor = option 'executor',
    timeout = option 'timeout',
    concurrency = option 'concurrency',
    idempotent = option 'idempotent' or false,
  }
  if spec.java and not method.body then
    method.handler = interfaces.handler(spec.java, name, method.handler)
  end
  method.arity = not method.body and chain.arity(method.handler) or nil
  context.methods[mid] = method
  return method
end

-- Compiles every method of a checked declaration. Raises with the declaration's place.
---@param spec table
---@return perilune.core.Method[]
function M.compile(spec)
  local function refuse(message)
    message = options.blame(message, spec.origins, spec.place)
    error(('%s: %s'):format(spec.title, message), 0)
  end
  local names, wrong = M.method_names(spec)
  wrong = wrong or wrong_meta(spec.meta)
  wrong = wrong or declared.serialization(spec.serialization)
  wrong = wrong or spec.java and interfaces.uncovered(spec.java, names)
  if wrong then
    return refuse(wrong)
  end
  local made = {}
  local list, message = filters.resolve('provider', spec, spec.title, made)
  if not list then
    return refuse(message)
  end
  spec.authenticators, message = authenticate.compile(spec)
  if not spec.authenticators then
    return refuse(message)
  end
  spec.warmups, message = warmup.compile(spec)
  if not spec.warmups then
    return refuse(message)
  end
  local methods = {}
  for i, name in ipairs(names) do
    generation.give_way()
    local method = method_of(spec, name)
    local own = list
    local both = filters.merged(spec, spec.methods[name])
    if both then
      own, message = filters.resolve('provider', both, spec.title, made)
      if not own then
        return refuse(('methods.%s: %s'):format(name, message))
      end
    end
    method.pooled, message = executors.is_pooled(method.executor)
    if message then
      return refuse(('methods.%s: %s'):format(name, message))
    end
    method.chain_names = {}
    for k, filter in ipairs(own) do
      method.chain_names[k] = filter.name
    end
    methods[i] = {
      name = name,
      mid = method.mid,
      chain = chain.provider(method, own),
      body = method.body,
      pooled = method.pooled,
      arity = method.arity,
      timeout = method.timeout,
      returns = spec.java and spec.java.methods[name].result or nil,
      concurrency = method.concurrency,
      chain_names = method.chain_names,
    }
  end
  return methods
end

local function options_of(spec)
  return {
    int64 = spec.int64,
    generation = spec.generation,
    serialization = spec.serialization,
    ramped = spec.joyrpc ~= nil and spec.joyrpc.start_time == 'ramped',
  }
end

local function tell(event, spec)
  events.publish('export.' .. event, { interface = spec.interface, alias = spec.alias })
end

-- Puts a compiled declaration into service in this VM.
---@param spec table
---@return integer? id
---@return string? message
function M.open(spec)
  local id, message = core.export(spec.interface, spec.alias, spec.compiled, options_of(spec))
  if not id then
    return nil, ('%s: %s'):format(spec.title, message)
  end
  authenticate.add(spec)
  spec.id = id
  inproc.add(spec, id)
  open[key_of(spec)] = spec
  tell('opened', spec)
  return id
end

---@param spec table
function M.close(spec)
  if spec.id then
    core.unexport(spec.id)
    authenticate.remove(spec)
    inproc.remove(spec, spec.id)
    spec.id = nil
    open[key_of(spec)] = nil
    tell('closed', spec)
  end
end

-- What stands in the way of opening these declarations in place of those of the generation `old`.
---@param specs table[]
---@param old integer
---@return string? message
function M.conflict(specs, old)
  for _, spec in ipairs(specs) do
    local other = open[key_of(spec)]
    if other and other.generation ~= old then
      return ('%s: exported already at %s'):format(spec.title, other.place)
    end
  end
end

-- Puts these declarations in service and takes those of the generation `old` out of it, between two
-- calls: who is in both keeps its connections and sessions.
---@param specs table[]
---@param old integer
function M.switch(specs, old)
  local gone = {}
  for key, spec in pairs(open) do
    gone[key] = spec.generation == old and spec or nil
  end
  for _, spec in ipairs(specs) do
    local key = key_of(spec)
    local before = gone[key]
    if before and core.reexport(before.id, nil, spec.compiled, options_of(spec)) then
      spec.id, before.id, gone[key], open[key] = before.id, nil, nil, spec
      authenticate.add(spec)
    else
      assert(M.open(spec))
    end
  end
  for _, spec in pairs(gone) do
    M.close(spec)
  end
end

-- Lets go of what was compiled for declarations that have no calls any more.
---@param specs table[]
function M.forget(specs)
  for _, spec in ipairs(specs) do
    for _, compiled in ipairs(spec.compiled) do
      local mid, key = compiled.mid, key_of(spec) .. '.' .. compiled.name
      local method = context.methods[mid]
      context.methods[mid] = {
        interface = method.interface,
        alias = method.alias,
        method = method.method,
        title = method.title,
      }
      free[key] = free[key] or {}
      table.insert(free[key], mid)
    end
    spec.compiled = {}
  end
end

return M
