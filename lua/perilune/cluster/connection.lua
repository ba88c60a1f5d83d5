-- SPDX-License-Identifier: MIT
-- Connections of this worker: one per address, shared by every refer that uses it, kept up by a
-- fiber of its own for as long as somebody holds it.
--
--   connecting --> up --> draining --+
--       ^  \        \                |
--       |   +--------+--> waiting <--+      waiting: exponential back-off with full jitter
--       +-------------------+
--
-- Holders are told: 'up', 'drain' (no new calls; those in flight finish), 'down'.
local core = require 'perilune.core'
local errors = require 'perilune.error'
local events = require 'perilune.events'
local waiters = require 'perilune.cluster.waiters'

---@class perilune.cluster.Connection
---@field url string
---@field state 'connecting'|'up'|'draining'|'waiting'|'closed'
---@field conn? integer      while up or draining
---@field failures integer   connects that failed in a row
---@field error? perilune.Error  why it is not up
local Connection = {}
Connection.__index = Connection

local M = {}

M.BACKOFF_MIN, M.BACKOFF_MAX = 100, 20000
M.DRAIN_LIMIT = 30000
M.CONNECT_TIMEOUT = 5000

local connections = {} ---@type table<string, perilune.cluster.Connection>

-- Full jitter: anything from 0 to the bound, so that those who lost a server together do not come
-- back together.
---@param failures integer
---@return number ms
function M.backoff(failures)
  local bound = math.min(M.BACKOFF_MAX, M.BACKOFF_MIN * 2 ^ math.min(failures, 20))
  return core.random() * bound
end

-- Its holders hear of each attempt, listeners of what has changed.
function Connection:tell(event)
  local name = 'connection.' .. event
  local changed = self.told ~= event
  self.told = event
  if changed and events.wanted(name) then
    local err = event == 'down' and self.error or nil
    local data = { url = self.url, code = err and err.code, message = err and err.message }
    events.publish(name, data)
  end
  for listener in pairs(self.listeners) do
    listener:on_connection(event, self)
  end
end

local function tell_session(name, self, slot)
  if events.wanted(name) then
    events.publish(name, {
      side = 'consumer',
      interface = slot.params.interface,
      alias = slot.params.alias,
      peer = self.url,
      session = slot.session.id,
    })
  end
end

local function end_sessions(self)
  for _, slot in pairs(self.sessions) do
    if slot.session then
      tell_session('session.closed', self, slot)
    end
  end
  self.sessions = {}
end

-- Waits until the peer has closed, or, once it said goodbye, until nothing is in flight any more.
---@async
function Connection:stay(conn)
  local drained_at
  while self.closed ~= conn do
    if self.draining == conn or self.refs == 0 then
      drained_at = drained_at or core.clock()
      if core.expecting(conn) == 0 or core.clock() - drained_at >= M.DRAIN_LIMIT then
        core.disconnect(conn)
        return
      end
      core.park(50)
    else
      core.park()
    end
  end
end

function Connection:connect()
  self.state = 'connecting'
  local conn, code, message = core.connect(self.url, self.options)
  if not conn then
    self.failures = self.failures + 1
    self.error = errors.new(errors.codes[code] and code or 'UNAVAILABLE', message)
    self:tell 'down'
    return
  end
  self.conn, self.state, self.failures, self.error = conn, 'up', 0, nil
  self.sessions = {}
  if self.closed ~= conn then
    self:tell 'up'
    self:stay(conn)
  end
  self.conn = nil
  end_sessions(self)
  self.error = errors.new('CLOSED', ('%s closed the connection'):format(self.url))
  self:tell 'down'
end

local function run(self)
  while self.refs > 0 do
    self:connect()
    if self.refs > 0 then
      self.state = 'waiting'
      core.park(M.backoff(self.failures))
    end
  end
  self.state, self.fiber = 'closed', nil
  if connections[self.key] == self then
    connections[self.key] = nil
  end
end

local function make(key, url, options)
  local self = setmetatable({
    key = key,
    url = url,
    state = 'connecting',
    refs = 0,
    failures = 0,
    listeners = {},
    sessions = {},
  }, Connection)
  self.options = {
    timeout = options and options.connect_timeout or M.CONNECT_TIMEOUT,
    protocol = options and options.protocol,
    on_close = function(conn)
      self.closed = conn
      core.wake(self.fiber or 0)
    end,
    on_drain = function(conn)
      if self.conn == conn and self.closed ~= conn then
        self.draining, self.state = conn, 'draining'
        self:tell 'drain'
        core.wake(self.fiber or 0)
      end
    end,
  }
  return self
end

-- The worker's connection to `url`, told about by `listener:on_connection(event, connection)`; made
-- when there is none. Give back with release.
---@param url string
---@param listener {on_connection: fun(self: any, event: string, connection: perilune.cluster.Connection)}
---@param options? {connect_timeout?: number, protocol?: string}
---@return perilune.cluster.Connection
function M.acquire(url, listener, options)
  local key = url .. ' ' .. (options and options.protocol or '')
  local self = connections[key]
  if not self or self.state == 'closed' then
    self = make(key, url, options)
    connections[key] = self
  end
  self.refs = self.refs + 1
  self.listeners[listener] = true
  if not self.fiber then
    self.fiber = core.spawn(run, self, nil, true)
  elseif self.state == 'up' then
    listener:on_connection('up', self)
  elseif self.state == 'waiting' then
    self.failures = 0
    core.wake(self.fiber)
  end
  return self
end

-- The last holder's release closes it once nothing is in flight.
---@param listener table
function Connection:release(listener)
  if self.listeners[listener] then
    self.listeners[listener] = nil
    self.refs = self.refs - 1
    if self.refs == 0 then
      core.wake(self.fiber or 0)
    end
  end
end

-- What is presented anew for each session (a signature) is made now.
local function presented(params)
  local auth = params.auth
  if not auth or not auth.fresh then
    return params
  end
  local ok, attributes, why = pcall(auth.fresh, params.alias)
  if not ok or not attributes then
    local text = "authenticator '%s' presents nothing: %s"
    return nil, text:format(auth.type, tostring(ok and why or attributes))
  end
  local made = {}
  for key, value in pairs(params) do
    made[key] = value
  end
  made.auth = { type = auth.type, attributes = attributes }
  return made
end

local function negotiated(conn, params)
  local made, message = presented(params)
  if not made then
    return nil, 'UNAUTHENTICATED', message
  end
  return core.session(conn, made)
end

-- The session for a service on this connection; negotiated once, whoever asks.
---@async
---@param key string     equal keys share a session
---@param params table   see core.session
---@return perilune.core.Session?
---@return perilune.Error?
function Connection:session(key, params)
  local conn, sessions = self.conn, self.sessions
  local slot = sessions[key]
  if not slot then
    slot = { waiting = waiters.new() }
    sessions[key] = slot
    local session, code, message = negotiated(conn, params)
    if session then
      slot.session, slot.params = session, params
      tell_session('session.opened', self, slot)
    else
      slot.error = errors.new(errors.codes[code] and code or 'UNAVAILABLE', message)
      sessions[key] = nil
    end
    slot.waiting:wake()
  end
  while not slot.session and not slot.error do
    local ok, why = slot.waiting:wait()
    if not ok then
      return nil, errors.new(why or 'CANCELLED')
    end
  end
  return slot.session, slot.error
end

-- The peer does not know the session any more: the next one who asks negotiates anew.
---@param key string
---@param id integer
function Connection:forget(key, id)
  local slot = self.sessions[key]
  if slot and slot.session and slot.session.id == id then
    tell_session('session.closed', self, slot)
    self.sessions[key] = nil
  end
end

-- All connections of this worker, for `perilune status` and leak checks.
---@return table<string, perilune.cluster.Connection>
function M.all()
  return connections
end

return M
