-- SPDX-License-Identifier: MIT
-- Whether a cluster has nodes for its calls, may be about to, and what is told where it has none. These are
-- methods of perilune.cluster.Cluster.
local core = require 'perilune.core'
local errors = require 'perilune.error'
local registry = require 'perilune.cluster.registry'
local urls = require 'perilune.cluster.url'

local M = {}

-- How long calls wait for a cluster that has just lost its last node, before they fail at once.
M.GRACE = 2000

-- Why there is no node, or fewer than `count`.
---@param self perilune.cluster.Cluster
---@param count? integer
---@return perilune.Error
function M.no_node(self, count)
  local text, cause
  local known, ready = #self.entries, #self.ready_nodes
  if ready > 0 then
    text = '%d of the %d nodes of %s are ready, %d are wanted'
    text = text:format(ready, known, self.name, count or ready + 1)
  elseif known == 0 then
    local where = urls.shown(self.refer.registry or '')
    local why = registry.trouble(self.subscriptions)
    text = next(self.listed) and ('nobody provides %s in %s'):format(self.name, where)
      or ('%s has not answered about %s yet%s'):format(where, self.name, why)
  else
    text = ('none of the %d nodes of %s is ready'):format(known, self.name)
    for _, link in ipairs(self.order) do
      if link.error then
        cause = link.error
        text = ('%s; %s: %s'):format(text, link.node.address, cause.message)
        break
      end
    end
  end
  return errors.new('NO_NODE', text, { outcome = 'NOT_SENT', cause = cause })
end

-- Waits until so many nodes are ready.
---@async
---@param self perilune.cluster.Cluster
---@param timeout? number  ms; nil = until the deadline of the running fiber
---@param count? integer  default 1
---@param prompt? boolean  only as long as the first may be about to get ready
---@return boolean? ready
---@return perilune.Error?
function M.ready(self, timeout, count, prompt)
  local until_ms = timeout and core.clock() + timeout
  count = count or 1
  while #self.ready_nodes < count do
    if self.closed then
      return nil, errors.new('CLOSED', ('the refer of %s is closed'):format(self.name))
    end
    local left = until_ms and until_ms - core.clock()
    if left and left <= 0 or prompt and not self:is_coming() then
      return nil, self:no_node(count)
    end
    local woken, why = self.waiting:wait(left)
    if not woken and #self.ready_nodes < count then
      if why == 'CANCELLED' then
        return nil, errors.new('CANCELLED', nil, { outcome = 'NOT_SENT' })
      end
      return nil, self:no_node(count)
    end
  end
  return true
end

-- Nodes for a call that found none ready: waits for the first readiness within the deadline, later
-- only for a moment, so that a long outage is told at once.
---@async
function M.await_nodes(self, ctx)
  local left, prompt = ctx:left(), self.refer.wait_ready == false
  if self.was_ready then
    local grace = math.max(0, (self.empty_since or 0) + M.GRACE - core.clock())
    left = math.min(left or grace, grace)
  end
  return self:ready(left, 1, prompt)
end

-- May the first node be about to get ready? Not once it is known that nobody is there.
---@return boolean
function M.is_coming(self)
  if self.was_ready then
    return false
  elseif #self.order == 0 then
    return #self.subscriptions > 0 and next(self.listed) == nil
  end
  for _, link in ipairs(self.order) do
    if not link.error then
      return true
    end
  end
  return false
end

return M
