-- SPDX-License-Identifier: MIT
-- Puts what a process serves on the lists of its registries, once its workers accept, and takes it
-- off again before they drain. Control VM.
local core = require 'perilune.core'
local events = require 'perilune.events'
local registry = require 'perilune.cluster.registry'
local urls = require 'perilune.cluster.url'

local M = {}

---@class perilune.process.Registration
---@field registry string
---@field url string  of the service
---@field service string  registry, interface and alias
---@field delay integer  ms
---@field delayed boolean
---@field listed boolean
---@field over boolean

local ANY = { ['0.0.0.0'] = true, ['[::]'] = true, ['::'] = true, ['*'] = true }

-- The address others reach a bound URL by: a socket bound to every interface has no address of its
-- own, so the setting `host` says it; without that only this machine can be meant.
---@param bound string
---@param host? string
---@return string? address
---@return string? scheme
function M.advertised(bound, host)
  local scheme, address = bound:match '^(%a[%w+.-]*)://(.+)$'
  local where, port = address:match '^(.*):(%d+)$'
  if scheme == 'tcp' and ANY[where] then
    host = host or '127.0.0.1'
    address = (host:match '^[^%[].*:' and '[' .. host .. ']' or host) .. ':' .. port
  end
  return address, scheme
end

-- 'joyrpc://127.0.0.1:22000/demo.Greeter?alias=prod&version=v2'
---@param export table  a checked declaration
---@param bound string
---@param host? string
---@return string
function M.service_url(export, bound, host)
  local address, scheme = M.advertised(bound, host)
  local params = { weight = tostring(export.weight) }
  if export.alias ~= '' then
    params.alias = export.alias
  end
  if export.serialization then
    params.serialization = export.serialization:match '^[^@]+'
  end
  for key, value in pairs(export.meta) do
    params[key] = tostring(value)
  end
  local url = { scheme = 'joyrpc', address = address, path = export.interface, params = params }
  if scheme == 'unix' then
    url.scheme, url.path, params.interface = 'unix', '', export.interface
  end
  return urls.format(url)
end

local function tell(event, registration)
  events.publish(event, { registry = urls.shown(registration.registry), url = registration.url })
end

local function warn(tag, registration, message)
  core.log('warn', tag, ('%s: %s'):format(urls.shown(registration.registry), tostring(message)))
end

---@async
local function take_off(registration)
  local ok, message = registry.deregister(registration.registry, registration.url)
  if not ok then
    warn('DEREGISTER', registration, message)
  else
    tell('registry.unlisted', registration)
  end
end

local function put(registration, delay)
  if delay > 0 then
    core.sleep(delay)
  end
  if registration.over then
    return true
  end
  local ok, message = registry.register(registration.registry, registration.url)
  registration.listed = ok ~= nil and ok ~= false
  if registration.listed then
    tell('registry.listed', registration)
    if registration.over then -- meanwhile
      take_off(registration)
    end
  end
  return ok, message
end

-- A registry that is down delays the listing, it does not keep the process from serving.
local function keep_trying(registration, delay)
  local ok, message = put(registration, delay)
  while not ok and not registration.over do
    warn('REGISTER', registration, message)
    core.sleep(registry.RETRY)
    ok, message = put(registration, 0)
  end
end

local function list_of(value)
  return type(value) == 'table' and value or { value }
end

-- What is wrong with the registries of these declarations, or nil. Opens nothing.
---@param exports table[]
---@return string?
function M.check(exports)
  for _, export in ipairs(exports) do
    for _, url in ipairs(list_of(export.registry)) do
      local wrong = registry.check(url)
      if wrong then
        return ("%s: registry '%s': %s"):format(export.title, tostring(url), wrong)
      end
    end
  end
end

-- Answers the workers' questions to registries. Before they start.
M.serve = registry.serve

-- What is to be listed: every export at every bound address.
local function wanted(exports, bound)
  local list = {}
  for _, export in ipairs(exports) do
    for _, url in ipairs(export.register and list_of(export.registry) or {}) do
      for _, address in ipairs(bound) do
        list[#list + 1] = {
          registry = url,
          url = M.service_url(export, address, M.host),
          service = table.concat({ url, export.interface, export.alias }, ' '),
          delay = export.delay,
          delayed = export.delay > 0,
          listed = false,
          over = false,
        }
      end
    end
  end
  return list
end

local function open(list)
  for _, registration in ipairs(list) do
    core.spawn(keep_trying, registration, registration.delay, true)
  end
end

-- Registers every export at every bound address in its own time. Returns what to close.
---@param exports table[]
---@param bound string[]
---@return perilune.process.Registration[]
function M.open(exports, bound)
  local list = wanted(exports, bound)
  open(list)
  return list
end

---@class perilune.process.Changes
---@field keep perilune.process.Registration[]   listed as it is to be
---@field fresh perilune.process.Registration[]  to be listed
---@field first perilune.process.Registration[]  of services that are exported no more
---@field last perilune.process.Registration[]   of services that are listed otherwise from now on

local function key_of(registration)
  return registration.registry .. ' ' .. registration.url
end

-- What a reload changes on the lists.
---@param listed perilune.process.Registration[]
---@param exports table[]
---@param bound string[]
---@return perilune.process.Changes
function M.compare(listed, exports, bound)
  local changes = { keep = {}, fresh = {}, first = {}, last = {} }
  local known, services = {}, {}
  for _, registration in ipairs(listed) do
    known[key_of(registration)] = registration
  end
  for _, registration in ipairs(wanted(exports, bound)) do
    local key = key_of(registration)
    services[registration.service] = true
    table.insert(known[key] and changes.keep or changes.fresh, known[key] or registration)
    known[key] = nil
  end
  for _, registration in pairs(known) do
    table.insert(services[registration.service] and changes.last or changes.first, registration)
  end
  return changes
end

-- Registers what is new. Returns everything that is to be closed one day.
---@param changes perilune.process.Changes
---@return perilune.process.Registration[]
function M.apply(changes)
  open(changes.fresh)
  local all = {}
  for _, list in ipairs { changes.keep, changes.fresh } do
    for _, registration in ipairs(list) do
      all[#all + 1] = registration
    end
  end
  return all
end

-- Are those without a delay on their lists?
---@param registrations perilune.process.Registration[]
---@return boolean
function M.all_listed(registrations)
  for _, registration in ipairs(registrations) do
    if not registration.listed and not registration.delayed then
      return false
    end
  end
  return true
end

---@async
---@param registration perilune.process.Registration
function M.close(registration)
  registration.over = true
  if registration.listed then
    take_off(registration)
  end
end

-- Closes these, all at once, and waits at most `ms` for it.
---@async
---@param list perilune.process.Registration[]
---@param ms number
function M.close_list(list, ms)
  local waiting, me = #list, core.fiber()
  for _, registration in ipairs(list) do
    core.spawn(function()
      local ok, message = pcall(M.close, registration)
      if not ok then
        core.log('warn', 'DEREGISTER', tostring(message))
      end
      waiting = waiting - 1
      if waiting == 0 then
        core.wake(me, true)
      end
    end, nil, nil, true)
  end
  if waiting > 0 then
    core.park(ms)
  end
end

-- Closes the registries themselves; waits.
M.close_all = registry.close_all

return M
