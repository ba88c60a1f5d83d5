-- SPDX-License-Identifier: MIT
-- Refer: from a checked declaration to a proxy whose calls go through the consumer chain to a cluster.
-- The cluster is opened when the declarations are committed, or by the first call outside of loading.
local chain = require 'perilune.entry.chain'
local errors = require 'perilune.error'
local inproc = require 'perilune.entry.inproc'
local names = require 'perilune.entry.names'
local plugin = require 'perilune.plugin'
local proxy = require 'perilune.entry.proxy'

local M = {}

-- Inserts the per-attempt filters between the router's send and the node. Those of a group see the alias
-- the attempt goes to.
local function wrap_attempt(refer, cluster)
  local raw, runs, needed = cluster.attempt, {}, false
  local alias = refer.aliases and cluster.refer.alias
  local function compile(list)
    if #list == 0 then
      return raw
    end
    needed = true
    local title = refer.title .. ', attempt'
    local repeated = chain.repeated(title, (chain.filter_lists(list)))
    local run = chain.consumer(title, list, function(ctx, call)
      if ctx._unsent == false then
        repeated()
      end
      ctx._unsent = false
      return raw(ctx, call, ctx.node)
    end)
    return function(ctx, call, node)
      ctx.node, ctx._unsent = node, true
      if alias then
        call.alias = alias
      end
      local result, err = run(ctx, call)
      if err ~= nil and ctx._unsent and err.outcome == nil then
        err.outcome = 'NOT_SENT' -- a filter refused it
      end
      return result, err
    end
  end
  local run = compile(refer.attempt_filter_list)
  for name, list in pairs(refer.method_attempt_filters) do
    runs[name] = compile(list)
  end
  if needed then
    cluster.attempt = next(runs) == nil and run
      or function(ctx, call, node)
        return (runs[call.method] or run)(ctx, call, node)
      end
  end
end

-- What calls of a refer go to: one cluster, one for each alias, or this process.
local function open_kind(refer, before)
  local kind = refer.aliases and 'group' or not (refer.url or refer.registry) and 'inproc' or nil
  if before and before.kind ~= kind then
    before = nil
  end
  if kind == 'inproc' then
    return inproc.cluster(refer)
  elseif kind == 'group' then
    return require('perilune.entry.group').open(refer, before, function(cluster)
      wrap_attempt(refer, cluster)
    end)
  end
  local cluster, message = require('perilune.cluster.cluster').open(refer, before)
  if cluster then
    wrap_attempt(refer, cluster)
  end
  return cluster, message
end

-- Opens the cluster of a declaration in this VM. Idempotent. Does not wait for nodes. While the cluster
-- it takes over from is open, it shares connections, sessions, subscriptions and counters with it.
---@param refer table
---@param before? table  cluster of the same service
---@return table? cluster
---@return string? message
function M.open(refer, before)
  if refer.cluster then
    return refer.cluster
  end
  if refer.closed then
    return nil, refer.title .. ' is closed'
  end
  local wrong = names.serialization(refer.serialization) or names.compression(refer.compression)
  if wrong then
    return nil, ('%s: %s'):format(refer.title, wrong)
  end
  local cluster, message = open_kind(refer, before)
  if not cluster then
    return nil, ('%s: %s'):format(refer.title, tostring(message))
  end
  refer.cluster = cluster
  return cluster
end

---@param refer table
function M.close(refer)
  refer.closed = true
  if refer.cluster then
    refer.cluster:close()
    refer.cluster = nil
  end
end

-- { 'token', token = 'x' } as the session's authentication message has it. An authenticator that wants to
-- say something else for each session says it with `present`; then `fresh(alias)` makes the attributes.
local function auth_of(refer)
  local attributes = {}
  for key, value in pairs(refer.auth) do
    if key ~= 1 then
      if type(key) ~= 'string' or type(value) ~= 'string' then
        error(("%s: auth: '%s' must be a string"):format(refer.title, tostring(key)), 0)
      end
      attributes[key] = value
    end
  end
  if type(refer.auth[1]) ~= 'string' then
    error(refer.title .. ": auth: the type comes first, as in { 'token', token = ... }", 0)
  end
  local record = plugin.find('authenticator', refer.auth[1])
  local present = record and record.spec.present
  if not present then
    return { type = refer.auth[1], attributes = attributes }
  end
  local function fresh(alias)
    return present(attributes, { interface = refer.interface, alias = alias })
  end
  local first, message = fresh(refer.alias)
  if not first then
    error(('%s: %s'):format(refer.title, tostring(message)), 0)
  end
  return { type = refer.auth[1], attributes = attributes, fresh = fresh }
end

local SENDABLE = { string = true, number = true, boolean = true, table = true }

-- What is wrong with what is sent with each call, or nil.
local function wrong_attachments(attachments)
  for name, value in pairs(attachments) do
    if type(name) ~= 'string' then
      return ('attachments: a name must be a string, got a %s'):format(type(name))
    elseif not SENDABLE[type(value)] then
      return ('attachments.%s cannot be sent: it is a %s'):format(name, type(value))
    end
  end
end

-- What is wrong with the names in a declaration, or nil. Everything that they may mean is registered.
---@param refer table
---@return string? message
function M.check(refer)
  local _, message = require('perilune.cluster.plan').compile(refer)
  message = message or refer.aliases and require('perilune.entry.group').check(refer) or nil
  message = message or names.serialization(refer.serialization)
  message = message or names.compression(refer.compression)
  if message or not refer.url then
    return message or (refer.registry and names.registry(refer.registry) or nil)
  end
  return names.addresses(refer.url)
end

-- Makes the proxy of a checked declaration.
---@param refer table
---@return perilune.Proxy
function M.new(refer)
  if type(refer.url) == 'string' and refer.url:match '^inproc:' then
    refer.url, refer.inproc = nil, true
  end
  if refer.group and not refer.aliases then
    error(refer.title .. ": group needs aliases = { 'one', 'other' }", 0)
  end
  if not refer.url and not refer.registry and (refer.aliases or not refer.inproc) then
    error(refer.title .. ": give it a url ('joyrpc://host:port') or a registry", 0)
  end
  local wrong = wrong_attachments(refer.attachments)
  if wrong then
    error(('%s: %s'):format(refer.title, wrong), 0)
  end
  refer.auth = refer.auth and auth_of(refer)
  local function opened()
    local cluster, message = M.open(refer)
    return cluster, not cluster and errors.new('CONFIG', message) or nil
  end
  function refer.dispatch(ctx, call)
    local cluster = refer.cluster
    if cluster then
      return cluster:dispatch(ctx, call)
    end
    local made, err = opened()
    if not made then
      return nil, err
    end
    return made:dispatch(ctx, call)
  end
  function refer.prepare(ctx, call)
    local cluster = refer.cluster
    if cluster then
      return cluster:prepare(ctx, call)
    end
    local made, err = opened()
    if not made then
      return nil, err
    end
    return made:prepare(ctx, call)
  end
  function refer.ready(timeout, count)
    local cluster, message = M.open(refer)
    if not cluster then
      return nil, errors.new('CONFIG', message)
    end
    return cluster:ready(timeout, count)
  end
  -- An address says who is meant; a registry only what.
  if not refer.aliases and (refer.inproc or refer.inproc == nil and not refer.url) then
    inproc.wrap(refer)
  end
  return proxy.new(refer)
end

return M
