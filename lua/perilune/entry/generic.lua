-- SPDX-License-Identifier: MIT
-- Generic invocation: calling services that are not known before. `perilune.generic { registry = ... }`
-- calls any interface and method by name; `perilune.generic(proxy)` calls methods the way JoyRPC's
-- GenericService does, for providers that need the types of the arguments.
local core = require 'perilune.core'
local declared = require 'perilune.entry.options'
local errors = require 'perilune.error'
local java = require 'perilune.protocol.java'
local plugin = require 'perilune.plugin'
local proxy = require 'perilune.entry.proxy'

local M = {}

M.SERVICES = 100 -- services that one generic consumer keeps connected

---@class perilune.Generic
local Generic = {}
Generic.__index = Generic

local function close(service)
  require('perilune.entry.declare').unrefer(proxy.state(service).refer)
end

-- The proxy of a service, 'demo.Greeter' or 'demo.Greeter:prod'. Kept while it is among the last used.
---@param name string
---@return perilune.Proxy
function Generic:service(name)
  local found = self.services[name]
  for i = #self.order, 1, -1 do
    if self.order[i] == name then
      table.remove(self.order, i)
    end
  end
  if not found then
    local interface, alias = name:match '^([^:]+):?(.*)$'
    local spec = { interface = interface, alias = alias }
    for key, value in pairs(self.options) do
      spec[key] = value
    end
    found = require('perilune.entry.declare').refer(spec)
    self.services[name] = found
  end
  table.insert(self.order, name)
  if #self.order > self.most then
    local oldest = table.remove(self.order, 1)
    close(self.services[oldest])
    self.services[oldest] = nil
  end
  return found
end

-- Calls a method of a service.
---@async
---@param name string    'demo.Greeter' or 'demo.Greeter:prod'
---@param method string
---@return any result
---@return perilune.Error? err
function Generic:call(name, method, ...)
  if type(name) ~= 'string' or not name:match '^[^:]' then
    return nil, errors.new('BAD_REQUEST', 'generic:call wants the name of an interface')
  end
  local ok, service = pcall(self.service, self, name)
  if not ok then
    return nil, errors.new('BAD_REQUEST', tostring(service), { outcome = 'NOT_SENT' })
  end
  return service[method](service, ...)
end

-- Lets go of every service.
function Generic:close()
  for name, service in pairs(self.services) do
    close(service)
    self.services[name] = nil
  end
  self.order = {}
end

---@class perilune.GenericService
local Service = {}
Service.__index = Service

local function copy(list)
  return { unpack(list) }
end

-- Calls a method with arguments and, for Java, their types: JoyRPC's $invoke.
---@async
---@param method string
---@param types? string[]
---@param args? any[]
---@return any result
---@return perilune.Error? err
function Service:invoke(method, types, args)
  if type(method) ~= 'string' then
    return nil, errors.new('BAD_REQUEST', 'generic:invoke wants the name of a method')
  end
  for what, value in pairs { types = types or {}, arguments = args or {} } do
    if type(value) ~= 'table' then
      local text = 'generic:invoke wants a list of %s, got a %s'
      return nil, errors.new('BAD_REQUEST', text:format(what, type(value)))
    end
  end
  local list = {}
  for i = 1, args and (args.n or #args) or 0 do
    list[i] = args[i] == nil and core.null or args[i]
  end
  return self.proxy[method](
    self.proxy,
    method,
    types and java.list('[string', copy(types)) or core.null,
    java.list('[object', list)
  )
end

-- What is wrong with the options, before the first service is called.
local function wrong_options(options, most)
  if type(most) ~= 'number' or most % 1 ~= 0 or most < 1 then
    return ('services must be an integer of at least 1, got %s'):format(tostring(most))
  end
  for _, key in ipairs { 'interface', 'alias', 'aliases' } do
    if options[key] ~= nil then
      return ("each call says its own %s: generic:call('demo.Greeter:prod', 'hello')"):format(key)
    end
  end
  return declared.check_overlay('refer', options, '')
end

-- A consumer of any service, from the options of a refer without interface; or, from a proxy, one that
-- calls as JoyRPC's GenericService.
---@param what table|perilune.Proxy
---@return perilune.Generic|perilune.GenericService
function M.new(what)
  if getmetatable(what) == 'perilune.Proxy' then
    return setmetatable({ proxy = proxy.untyped(what, { generic = true }) }, Service)
  elseif type(what) ~= 'table' or not (what.url or what.registry) then
    error(plugin.place() .. ': perilune.generic wants a proxy, or options with url or registry', 0)
  end
  local options = {}
  for key, value in pairs(what) do
    options[key] = value
  end
  local most = options.services or M.SERVICES
  options.services = nil
  local wrong = wrong_options(options, most)
  if wrong then
    error(('%s: perilune.generic: %s'):format(plugin.place(), wrong), 0)
  end
  return setmetatable({ options = options, most = most, services = {}, order = {} }, Generic)
end

return M
