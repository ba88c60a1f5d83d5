-- SPDX-License-Identifier: MIT
-- Sessions that authenticate once: finds the authenticator of the service a session is for and tells C
-- what it decided. A service without one refuses, so that nobody is taken for checked who was not.
local core = require 'perilune.core'
local plugin = require 'perilune.plugin'

local M = {}

---@class perilune.AuthRequest
---@field interface string
---@field alias string
---@field type string        'token'
---@field attributes table<string, string>
---@field conn integer
---@field session integer
---@field request integer

-- 'interface:alias' -> { [type] = function(request) -> identity | nil, why }
local services = {}
local hooked = false

local function key_of(what)
  return what.interface .. ':' .. what.alias
end

local function decide(request)
  local service = services[key_of(request)]
  local check = service and service[request.type]
  if not check then
    return nil, ("the service takes no authentication of type '%s'"):format(request.type)
  end
  local ok, identity, why = pcall(check, request)
  if not ok then
    core.log('error', 'AUTHENTICATE', tostring(identity))
    return nil, 'the authenticator failed'
  end
  return identity, tostring(why or 'refused')
end

---@param request perilune.AuthRequest
local function on_request(request)
  local identity, why = decide(request)
  local passed = identity ~= nil and identity ~= false
  core.authenticated(
    request.conn,
    request.session,
    request.request,
    passed,
    passed and '' or why,
    passed and tostring(identity) or nil
  )
end

-- What the options `token` and `auth` of an export ask for, made; or nil and what is wrong.
---@param spec table
---@return table<string, function>?
---@return string? message
function M.compile(spec)
  local found = {}
  local refs = { spec.auth }
  if spec.token then
    refs[#refs + 1] = { 'token', token = spec.token }
  end
  for _, ref in ipairs(refs) do
    local check, record = plugin.use('authenticator', ref)
    if not check then
      return nil, record
    end
    found[record.name] = check
  end
  return found
end

---@param spec table  compiled: has `authenticators`
function M.add(spec)
  services[key_of(spec)] = spec.authenticators
  if next(spec.authenticators) and not hooked then
    hooked = true
    core.on_authenticate(on_request)
  end
end

---@param spec table
function M.remove(spec)
  services[key_of(spec)] = nil
end

return M
