-- SPDX-License-Identifier: MIT
-- The short cut: a refer of a service that this worker exports itself calls it without a connection,
-- frames or nodes. Both chains run, with deadline, cancelling, attachments and errors as on the wire;
-- arguments and results are copied by the serializer. Selectors, router, balancer and attempt filters
-- have no part in it: there is nothing to choose from.
local context = require 'perilune.entry.context'
local core = require 'perilune.core'
local errors = require 'perilune.error'

local M = {}

local exported = {} -- interface \0 alias -> id

local function key_of(spec)
  return spec.interface .. '\0' .. (spec.alias or '')
end

-- Told by the exporter what is open in this VM.
---@param spec table
---@param id integer
function M.add(spec, id)
  exported[key_of(spec)] = id
end

---@param spec table
---@param id integer
function M.remove(spec, id)
  if exported[key_of(spec)] == id then
    exported[key_of(spec)] = nil
  end
end

local function has_function(args)
  for i = 1, args.n or #args do
    if type(args[i]) == 'function' then
      return true
    end
  end
  return false
end

local function fails(call, code, message, outcome)
  return require('perilune.cluster.dispatch').failure(call, code, message, outcome)
end

-- Does the running call serve the very interface? A service that hands calls on to others of its kind
-- must not find itself.
local function is_serving(refer)
  local _, _, mid = core.current()
  local method = mid and context.methods[mid]
  return method ~= nil and method.interface == refer.interface
end

local function no_service(refer)
  return errors.new(
    'NO_SERVICE',
    ("this process does not export %s with alias '%s'"):format(refer.interface, refer.alias or ''),
    { outcome = 'NOT_SENT' }
  )
end

-- Stands for the cluster of a refer that calls this process only.
---@param refer table
---@return table
function M.cluster(refer)
  local self = { kind = 'inproc', ready_nodes = {} }
  function self.dispatch()
    return nil, no_service(refer)
  end
  self.prepare = self.dispatch
  function self.ready()
    return nil, no_service(refer)
  end
  function self.all_nodes()
    return {}
  end
  function self.close() end
  return self
end

-- The call itself; the wire may take over what needs a connection: callbacks.
local function call_here(refer, id, ctx, call, by_wire)
  local ok, a, b, c, d = core.request(
    true,
    id,
    call.method,
    call.args,
    ctx:left(),
    call.attachments,
    call.flags,
    refer.serialization
  )
  if ok then
    if b then
      ctx.reply = b
    end
    return a
  elseif a == 'BAD_REQUEST' and has_function(call.args) then
    if by_wire then
      return by_wire(ctx, call)
    end
    b = 'a function among the arguments needs a connection; refer by address or registry'
  end
  if d then
    ctx.reply = d
  end
  return nil, fails(call, a, b, c)
end

-- Puts the short cut in front of refer.dispatch, refer.prepare and refer.ready.
---@param refer table
function M.wrap(refer)
  local key, always = key_of(refer), refer.inproc == true
  local only = not refer.url and not refer.registry
  local function before(otherwise)
    return function(ctx, call)
      local id = exported[key]
      if not id or not (always or not is_serving(refer)) then
        return otherwise(ctx, call)
      end
      return call_here(refer, id, ctx, call, not only and otherwise or nil)
    end
  end
  local ready = refer.ready
  refer.dispatch, refer.prepare = before(refer.dispatch), before(refer.prepare)
  function refer.ready(timeout, count)
    if exported[key] then
      return true
    end
    return ready(timeout, count)
  end
end

return M
