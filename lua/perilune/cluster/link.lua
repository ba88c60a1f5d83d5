-- SPDX-License-Identifier: MIT
-- A link is what ties a node of a cluster to a connection and a session: the node's life cycle.
--
--   idle -> connecting -> ready -> offline (peer drains) -> down -> connecting ...   -> closed
--
-- Its cluster is told after every change; only a ready link gets calls.
local core = require 'perilune.core'
local errors = require 'perilune.error'
local events = require 'perilune.events'
local connections = require 'perilune.cluster.connection'
local waiters = require 'perilune.cluster.waiters'
local C = require 'perilune.ffi'

---@class perilune.cluster.Link
---@field node perilune.cluster.Node
---@field state string
---@field session? integer  id, while ready
---@field conn? integer
---@field error? perilune.Error  why it is not ready
local Link = {}
Link.__index = Link

local M = {}

---@param cluster perilune.cluster.Cluster
---@param node perilune.cluster.Node
---@param url string
---@return perilune.cluster.Link
function M.new(cluster, node, url)
  local link = setmetatable({
    cluster = cluster,
    node = node,
    url = url,
    state = 'idle',
    failures = 0,
    waiting = waiters.new(),
  }, Link)
  rawset(node, '_link', link)
  return link
end

function Link:open()
  self:set 'connecting'
  self.connection = connections.acquire(self.url, self, self.cluster.options)
end

local function shared(link)
  return rawget(link.node, '_c').node
end

local function tell(self, from, to)
  local refer = self.cluster.refer
  events.publish('node.state', {
    interface = refer.interface,
    alias = refer.alias or '',
    address = self.node.address,
    from = from,
    to = to,
    message = to ~= 'ready' and self.error and self.error.message or nil,
  })
end

function Link:set(state)
  if self.state == state or self.state == 'closed' then
    return
  end
  if state == 'ready' then
    C.peri_node_connect(shared(self), 1)
    C.peri_node_set_offline(shared(self), false)
  elseif self.state == 'ready' then
    C.peri_node_connect(shared(self), -1)
  end
  if events.wanted 'node.state' then
    tell(self, self.state, state)
  end
  self.state = state
  if state ~= 'ready' then
    self.session = nil
  end
  self.cluster:on_link(self)
  self.waiting:wake()
end

-- Negotiates until there is a session or the connection is gone.
---@async
local function negotiate(self, conn)
  while self.state ~= 'closed' and self.connection and self.connection.conn == conn do
    local cluster = self.cluster
    local session, err = self.connection:session(cluster.session_key, cluster.session_params)
    if self.state == 'closed' or self.connection.conn ~= conn or self.state == 'offline' then
      return
    end
    if session then
      self.failures, self.error, self.conn = 0, nil, conn
      self.session, self.negotiated = session.id, session
      self:set 'ready'
      return
    end
    self.failures, self.error = self.failures + 1, err
    self.cluster:on_link(self)
    core.sleep(connections.backoff(self.failures))
  end
end

-- Called by the connection.
function Link:on_connection(event, connection)
  if event == 'up' then
    self:set 'connecting'
    core.spawn(negotiate, self, connection.conn, true)
  elseif event == 'drain' then
    C.peri_node_set_offline(shared(self), true)
    self:set 'offline'
  else
    self.error = connection.error
    self.failures = connection.failures
    self:set 'down'
    if connection.failures > 0 then
      self.cluster:on_link(self)
    end
  end
end

-- The peer has lost the session `id`: get another one, on the same connection.
---@param id integer
function Link:renegotiate(id)
  if self.session == id and self.state == 'ready' then
    self.connection:forget(self.cluster.session_key, id)
    self:set 'connecting'
    core.spawn(negotiate, self, self.conn, true)
  end
end

-- Waits until the link is ready; gives up at once when it is not on its way.
---@async
---@param ms? number
---@return boolean
function Link:wait(ms)
  local until_ms = ms and core.clock() + ms
  while self.state == 'connecting' do
    local left = until_ms and until_ms - core.clock()
    if left and left <= 0 or not self.waiting:wait(left) then
      break
    end
  end
  return self.state == 'ready'
end

-- Ends it; calls in flight finish, the connection closes when nobody needs it.
function Link:close()
  self:set 'closed'
  if self.connection then
    self.connection:release(self)
  end
end

---@return perilune.Error
function Link:why()
  local err = self.error
  local text = ('%s is %s'):format(self.node.address, self.state)
  if err then
    text = text .. ': ' .. err.message
  end
  return errors.new('UNAVAILABLE', text, { outcome = 'NOT_SENT', cause = err })
end

return M
