-- SPDX-License-Identifier: MIT
-- The short way of a call: one attempt through one of our own routers, without per-attempt filters,
-- on a node that is ready. It is what nearly every call needs, and each frame it does not have is
-- one the interpreter need not unwind after the wait. Whatever else happens continues in dispatch.
local core = require 'perilune.core'
local dispatch = require 'perilune.cluster.dispatch'

local M = {}

local yield, WAIT, REQUEST = core.yield, core.WAIT, core.REQUEST
local attachments_of = dispatch.attachments
local attempt = dispatch.attempt
local type, rawget = type, rawget

-- What `prepare` gives when all is ready for the request, which the caller then yields for.
M.PENDING = setmetatable({}, {
  __tostring = function()
    return 'a request that is not sent yet'
  end,
})

local PENDING = M.PENDING

-- May calls of this cluster take the short way?
---@param cluster perilune.cluster.Cluster
---@return boolean
function M.fits(cluster)
  return cluster.plan.direct and cluster.attempt == attempt
end

-- Chooses the node of a first attempt. Gives PENDING, nil and what the request needs: the node, its
-- session, ms, and the nodes, for `again`; or, when the call went the long way, its result.
---@async
---@param cluster perilune.cluster.Cluster
---@param ctx any
---@param call any
---@param nodes perilune.cluster.Nodes  at least one
---@return any result
---@return perilune.Error?
---@return perilune.cluster.Node? node
---@return integer? session
---@return number? timeout
---@return perilune.cluster.Nodes? nodes
function M.prepare(cluster, ctx, call, nodes)
  local plan = cluster.plan
  -- First, because balancers call C: beyond that compiled code does not know what it put into the handles,
  -- and would have to make them.
  local timeout = plan.first(ctx, call) or ctx:left()
  local node = plan.pick(ctx, call, nodes)
  -- What is no node at all is told apart, and by its name, on the long way.
  local link = type(node) == 'table' and rawget(node, '_link')
  local session = link and link.session
  if not session or link.cluster ~= cluster or timeout <= 0 then
    return dispatch.run(cluster, ctx, call, nodes)
  end
  -- Calls begun feed the retry budget.
  cluster.calls = cluster.calls + 1
  return PENDING, nil, node, session, timeout, nodes
end

-- What follows an attempt of `prepare` that failed with code, message, outcome and reply attachments.
---@async
---@return any result
---@return perilune.Error?
function M.again(ctx, call, nodes, node, session, code, message, outcome, reply)
  if reply then
    ctx.reply = reply
  end
  local link = rawget(node, '_link')
  local cluster = link.cluster
  if code == 'SESSION_LOST' then
    link:renegotiate(session)
    return dispatch.run(cluster, ctx, call, nodes)
  end
  local err = dispatch.failure(call, code, message, outcome)
  local result, last =
    dispatch.resume(cluster, ctx, call, nodes, node, err, ctx.began or core.clock())
  if last == nil then
    return result
  end
  return dispatch.settle(cluster, ctx, call, last)
end

local function answered(ctx, call, nodes, node, session, ok, result, reply, ...)
  if not ok then
    return M.again(ctx, call, nodes, node, session, result, reply, ...)
  elseif reply then
    ctx.reply = reply
  end
  return result
end

local function request(ctx, call, result, err, node, session, timeout, nodes)
  if result ~= PENDING then
    return result, err
  end
  local flags, counters = call.flags, rawget(node, '_c')
  return answered(
    ctx,
    call,
    nodes,
    node,
    session,
    yield(
      WAIT,
      REQUEST,
      rawget(node, '_link').conn,
      session,
      call.method,
      call.args,
      timeout,
      attachments_of(call),
      flags,
      counters
    )
  )
end

-- A whole call: for chains with filters that want to see its result.
---@async
---@param cluster perilune.cluster.Cluster
---@param ctx any
---@param call any
---@param nodes perilune.cluster.Nodes  at least one
---@return any result
---@return perilune.Error?
function M.run(cluster, ctx, call, nodes)
  return request(ctx, call, M.prepare(cluster, ctx, call, nodes))
end

return M
