-- SPDX-License-Identifier: MIT
-- One call on its way through the router. A dispatch counts the attempts, asks the retry budget
-- before each but the first, keeps node counters, and notes what failed for the error's `attempts`.
-- The router gets `send(node, timeout)`. Dispatches of our own routers are pooled with their `send`;
-- a user's router gets a fresh one, so that a `send` kept too long can never touch another's call.
local ffi = require 'ffi'
local core = require 'perilune.core'
local errors = require 'perilune.error'
local exceptions = require 'perilune.protocol.java_exception'
local node_of = require 'perilune.cluster.node'
local schemas = require 'perilune.schema'
local C = require 'perilune.ffi'

local M = {}

-- Failures that speak against the node rather than the call.
M.NODE_FAULT = {
  TIMEOUT = true,
  UNAVAILABLE = true,
  OVERLOADED = true,
  SHUTDOWN = true,
  NO_SERVICE = true,
  SESSION_LOST = true,
  CLOSED = true,
  PROTOCOL = true,
  SYSTEM = true,
}

M.BUDGET = {
  ratio = { type = 'number', min = 0, max = 1, default = 0.2, help = 'of the calls' },
  per_second = { type = 'number', min = 0, max = 1e6, default = 10, help = 'besides' },
}
M.DEFAULT_TIMEOUT = 5000
-- A router that goes on for ever is stopped here.
M.MAX_ATTEMPTS = 128

local NODE_FAULT = M.NODE_FAULT

---@class perilune.cluster.Dispatch
---@field ctx any
---@field call any
---@field sends integer
---@field attempts? perilune.Attempt[]
---@field last? perilune.Error
---@field asked? table<perilune.cluster.Node, boolean>  of a router that asks many nodes at once
---@field send fun(node: perilune.cluster.Node, timeout?: number): any, perilune.Error?

local function trace(err)
  return errors.is(err) and err or debug.traceback(tostring(err), 2)
end

-- A policy that breaks its contract: the call fails and says so.
local function breach(text, ...)
  error(errors.new('INTERNAL', text:format(...)), 0)
end

local function check_node(cluster, d, node)
  local what
  if not node_of.is(node) then
    what = 'a ' .. type(node)
  else
    local link = rawget(node, '_link')
    what = not (link and link.cluster == cluster) and node.address .. ', which is none of its nodes'
  end
  if what then
    local text = "router '%s' of %s, or its balancer '%s', chose %s; it must choose one of nodes"
    breach(text, d.router, cluster.name, cluster.plan.balancer, what)
  end
end

local function note(cluster, d, node, err, began)
  if cluster.ejection and NODE_FAULT[err.code] then
    cluster.ejection:failed(node)
  end
  d.attempts = d.attempts or {}
  table.insert(d.attempts, {
    address = node.address,
    code = err.code,
    message = err.message,
    outcome = err.outcome,
    ms = C.peri_counters_now() - began,
  })
  d.last = err
end

-- May the service be asked once more? Counts are handed in here, where it is rare.
local function may_retry(cluster)
  if not cluster.budget then
    return true
  end
  local granted = C.peri_budget_take(cluster.budget, cluster.calls)
  cluster.calls = 0
  return granted
end

local function spent(cluster, last)
  local text = ('%s (retry budget of %s is spent)'):format(last.message, cluster.name)
  return errors.new(last.code, text, {
    cause = last,
    details = last.details,
    outcome = last.outcome,
    retryable = false,
    final = true,
  })
end

-- A copy of ctx or call for an attempt beside others: what one does to it must not reach another, nor
-- one that ends late the call.
local function copy(value)
  if type(value) == 'cdata' then
    return value._copy -- a handle of entry/outgoing.lua
  end
  local result = {}
  for key, field in pairs(value) do
    result[key] = field
  end
  return setmetatable(result, getmetatable(value))
end

-- What is sent with a call; nil when nobody looked for any, so that none are made for it.
---@param call table
---@return table?
function M.attachments(call)
  if type(call) == 'cdata' then
    return call._attachments -- a handle of entry/outgoing.lua
  end
  return call.attachments
end
local attachments_of = M.attachments

-- What attempts beside each other share, made before they are told apart.
local function share(ctx)
  ctx._on_end = ctx._on_end or {}
  return ctx.state
end

local function run_apart(cluster, d, node, timeout, run)
  local ctx, call = d.ctx, d.call
  share(ctx)
  local own_ctx, own_call = copy(ctx), copy(call)
  local attachments = call.attachments
  own_call.attachments = attachments and copy(attachments)
  own_ctx.call = own_call
  local result, err = run(cluster, d, own_ctx, own_call, node, timeout)
  if err == nil and d.ctx == ctx then
    ctx.reply = own_ctx.reply
  end
  return result, err
end

local function run_attempt(cluster, d, ctx, call, node, timeout)
  local counters = rawget(node, '_c')
  local began = C.peri_counters_begin(counters)
  call.attempt_left = timeout
  local ok, result, err = xpcall(cluster.attempt, trace, ctx, call, node)
  if not ok then
    err, result = result, nil
  end
  C.peri_counters_done(counters, began, err ~= nil and NODE_FAULT[err.code] or false)
  local method = cluster.plan.methods and cluster.plan.methods[call.method]
  local done = method and method.pick and method.done or cluster.plan.done
  if done and not (method and method.pick and not method.done) then
    done(ctx, call, node, err)
  end
  if not ok then
    error(err, 0)
  end
  if err then
    note(cluster, d, node, err, began)
  end
  return result, err
end

local function send(cluster, d, node, timeout)
  if not d.call then
    error(('send used after its call of %s ended'):format(cluster.name), 2)
  end
  if node == nil then
    local text = ("the balancer '%s' of %s chose no node"):format(
      cluster.plan.balancer,
      cluster.name
    )
    return nil, errors.new('NO_NODE', text, { outcome = 'NOT_SENT', retryable = false })
  end
  check_node(cluster, d, node)
  if timeout ~= nil and (type(timeout) ~= 'number' or timeout ~= timeout) then
    breach("router '%s' of %s: the timeout of send is a number of ms", d.router, cluster.name)
  end
  d.sends = d.sends + 1
  local asked = d.asked
  local fresh = asked and not asked[node]
  if d.sends == 1 then
    cluster.calls = cluster.calls + 1
  elseif not fresh then -- asking one of many nodes for the first time is no retry
    if d.sends > M.MAX_ATTEMPTS then
      breach("router '%s' of %s sent one call %d times", d.router, cluster.name, M.MAX_ATTEMPTS)
    elseif d.last and not may_retry(cluster) then
      return nil, spent(cluster, d.last)
    end
  end
  if asked then
    asked[node] = true
    return run_apart(cluster, d, node, timeout, run_attempt)
  end
  return run_attempt(cluster, d, d.ctx, d.call, node, timeout)
end

---@param cluster perilune.cluster.Cluster
---@return perilune.cluster.Dispatch
local function make(cluster)
  local d = { ctx = false, call = false, sends = 0 }
  d.send = function(node, timeout)
    return send(cluster, d, node, timeout)
  end
  return d
end

-- The retry budget of a declaration, nil for none; or nil and what is wrong with it.
---@param given any
---@return {ratio: number, per_second: number}?
---@return string? message
function M.budget(given)
  if given == false then
    return nil
  elseif given ~= nil and type(given) ~= 'table' then
    local text = 'retry_budget must be false or { ratio = 0.2, per_second = 10 }, got %s'
    return nil, text:format(tostring(given))
  end
  return schemas.apply(M.BUDGET, given or {}, 'retry_budget.')
end

---@param cluster perilune.cluster.Cluster
function M.init(cluster)
  cluster.pool = {}
  local conf = M.budget(cluster.refer.retry_budget)
  if conf then
    local budget = C.peri_budget_ref(cluster.name, conf.ratio, conf.per_second)
    cluster.budget = ffi.gc(budget, C.peri_budget_unref)
  end
end

---@param cluster perilune.cluster.Cluster
function M.fini(cluster)
  cluster.pool = {}
end

local function never_sent(cluster, router)
  local text = "router '%s' of %s neither sent the call nor answered it"
  return errors.new(
    'INTERNAL',
    text:format(router, cluster.name),
    { outcome = 'NOT_SENT', retryable = false }
  )
end

local function finish(d, err)
  if err and d.attempts and errors.is(err) and not err.attempts then
    err.attempts = d.attempts
  end
  d.ctx, d.call = false, false
end

-- Runs the router over `nodes`.
---@async
---@param cluster perilune.cluster.Cluster
---@param ctx any
---@param call any
---@param nodes perilune.cluster.Nodes
---@return any result
---@return perilune.Error?
function M.run(cluster, ctx, call, nodes)
  local plan = cluster.plan
  local owner = plan.router_of(call)
  local pool = cluster.pool
  local pooled = owner.trusted and not owner.fanout
  local d = pooled and table.remove(pool) or make(cluster)
  d.ctx, d.call, d.sends, d.router = ctx, call, 0, owner.router
  d.asked = owner.fanout and {} or nil
  local result, err = owner.route(ctx, call, nodes, d.send)
  if d.sends == 0 and result == nil and err == nil then
    err = never_sent(cluster, owner.router)
  end
  finish(d, err)
  if pooled then
    d.attempts, d.last = nil, nil
    pool[#pool + 1] = d
  end
  return result, err
end

-- Continues after a first attempt that was made without a dispatch (cluster/direct.lua).
---@async
---@param cluster perilune.cluster.Cluster
---@param ctx any
---@param call any
---@param nodes perilune.cluster.Nodes
---@param node perilune.cluster.Node  that was tried
---@param err perilune.Error
---@param began number
---@return any result
---@return perilune.Error?
function M.resume(cluster, ctx, call, nodes, node, err, began)
  local d = make(cluster)
  d.ctx, d.call, d.sends, d.router = ctx, call, 1, cluster.plan.router
  note(cluster, d, node, err, began)
  local result, last = cluster.plan.again(ctx, call, nodes, d.send, node, err)
  finish(d, last)
  return result, last
end

-- The end of a call that failed. When meanwhile no node at all is ready, a call that may be tried again
-- waits for one like a call that begins now, once.
---@async
---@param cluster perilune.cluster.Cluster
---@param ctx any
---@param call any
---@param err any
---@return any result
---@return any err
function M.settle(cluster, ctx, call, err)
  local repeats = cluster.plan.router_of(call).repeats
  if not repeats or call.waited then
    return nil, err -- a router that owns all attempts
  elseif not errors.is(err) or not repeats(ctx, call, err) then
    return nil, err
  end
  core.sleep(0) -- the end of a connection is told in this turn, perhaps after us
  if #cluster.ready_nodes > 0 or not cluster:await_nodes(ctx) then
    return nil, err
  elseif not may_retry(cluster) then
    return nil, spent(cluster, err)
  end
  call.waited = true
  cluster.calls = cluster.calls - 1 -- this call is counted already
  return cluster:dispatch(ctx, call)
end

-- What could not even be written is written no better elsewhere.
local UNWRITABLE = { BAD_REQUEST = true, TOO_BIG = true }

-- UNKNOWN may be repeated only where running twice does no harm.
function M.failure(call, code, message, outcome)
  code = errors.codes[code] and code or 'UNKNOWN'
  local thrown
  if type(outcome) == 'table' then
    outcome, thrown = outcome[1], outcome[2]
  end
  outcome = outcome or 'UNKNOWN'
  local retryable = outcome ~= 'UNKNOWN' or (call.idempotent and NODE_FAULT[code]) or false
  if outcome == 'NOT_SENT' and UNWRITABLE[code] then
    retryable = false
  end
  local err = errors.new(code, message, { outcome = outcome, retryable = retryable })
  return thrown and exceptions.attach(err, thrown) or err
end

local function request(link, ctx, call)
  local left = ctx:left()
  local timeout = call.attempt_left or left or call.timeout or M.DEFAULT_TIMEOUT
  if left and left < timeout then
    timeout = left
  end
  if timeout <= 0 then
    return false, 'TIMEOUT', 'no time left', 'NOT_SENT'
  end
  if not link.session and not link:wait(timeout) then
    return false, 'UNAVAILABLE', link:why().message, 'NOT_SENT'
  end
  local session = link.session
  local attachments = attachments_of(call)
  local ok, a, b, c, d =
    core.request(link.conn, session, call.method, call.args, timeout, attachments, call.flags)
  if not ok and a == 'SESSION_LOST' then
    link:renegotiate(session)
  end
  return ok, a, b, c, d
end

-- One attempt without filters: the request on the node's session. A session the peer has lost is
-- negotiated anew and the request, which was refused for it, sent again.
---@async
---@param ctx any
---@param call any
---@param node perilune.cluster.Node
---@return any result
---@return perilune.Error?
function M.attempt(ctx, call, node)
  local link = rawget(node, '_link')
  local ok, a, b, c, d = request(link, ctx, call)
  if not ok and a == 'SESSION_LOST' then
    ok, a, b, c, d = request(link, ctx, call)
    if not ok and a == 'SESSION_LOST' then
      c = 'REFUSED'
    end
  end
  if ok then
    ctx.reply = b
    return a
  end
  ctx.reply = d
  return nil, M.failure(call, a, b, c)
end

return M
