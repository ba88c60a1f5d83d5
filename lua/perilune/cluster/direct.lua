-- SPDX-License-Identifier: MIT
-- The short way of a call: one attempt through one of our own routers, without per-attempt filters,
-- on a node that is ready. It is what nearly every call needs, and each frame it does not have is
-- one the interpreter need not unwind after the wait. Whatever else happens continues in dispatch.
local core = require 'perilune.core'
local dispatch = require 'perilune.cluster.dispatch'

local M = {}

local yield, WAIT, REQUEST = core.yield, core.WAIT, core.REQUEST

local function failed(cluster, ctx, call, nodes, node, began, code, message, outcome)
  local err = dispatch.failure(call, code, message, outcome)
  local result, last = dispatch.resume(cluster, ctx, call, nodes, node, err, began)
  if last == nil then
    return result
  end
  return dispatch.settle(cluster, ctx, call, last)
end

-- Calls begun feed the retry budget, calls in flight keep their connection open.
local function count(cluster, link, by)
  local connection = link.connection
  connection.inflight = connection.inflight + by
  if by > 0 then
    cluster.calls = cluster.calls + 1
  end
end

-- May calls of this cluster take the short way?
---@param cluster perilune.cluster.Cluster
---@return boolean
function M.fits(cluster)
  return cluster.plan.direct and cluster.attempt == dispatch.attempt
end

---@async
---@param cluster perilune.cluster.Cluster
---@param ctx any
---@param call any
---@param nodes perilune.cluster.Nodes  at least one
---@return any result
---@return perilune.Error?
function M.run(cluster, ctx, call, nodes)
  local node = cluster.plan.pick(ctx, call, nodes)
  -- What is no node at all is told apart, and by its name, on the long way.
  local link = type(node) == 'table' and rawget(node, '_link')
  local session = link and link.session
  local timeout = cluster.plan.first(ctx, call) or ctx:left()
  if not session or link.cluster ~= cluster or timeout <= 0 then
    return dispatch.run(cluster, ctx, call, nodes)
  end
  count(cluster, link, 1)
  local ok, a, b, c, d = yield(
    WAIT,
    REQUEST,
    link.conn,
    session,
    call.method,
    call.args,
    timeout,
    rawget(call, 'attachments'),
    call.flags,
    rawget(node, '_c')
  )
  count(cluster, link, -1)
  if ok then
    if b then
      ctx.reply = b
    end
    return a
  end
  if d then
    ctx.reply = d
  end
  if a == 'SESSION_LOST' then
    link:renegotiate(session)
    return dispatch.run(cluster, ctx, call, nodes)
  end
  return failed(cluster, ctx, call, nodes, node, ctx.began or core.clock(), a, b, c)
end

return M
