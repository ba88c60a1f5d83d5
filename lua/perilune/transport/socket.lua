-- SPDX-License-Identifier: MIT
-- A plain connection for plugins that talk to servers: registries, exporters. Reading parks the fiber;
-- one fiber reads at a time. What the peer sends ahead is kept up to AHEAD bytes, then reading from
-- it stops.
--
--   local socket, err = perilune.connect('tcp://127.0.0.1:6379', { timeout = 1000 })
--   socket:write 'PING\r\n'
--   local line, err = socket:read_line()
local core = require 'perilune.core'
local errors = require 'perilune.error'

local AHEAD = 2 ^ 20
local LINE = 65536

---@class perilune.Socket
---@field package id number
---@field package parts string[]   what came and was not read yet
---@field package taken integer    bytes of the first that were
---@field package size integer     bytes of it
---@field package wanted integer   bytes somebody waits for
---@field package reader? integer  fiber that waits for more
---@field package over? perilune.Error  why there will be no more
---@field package paused? boolean
local Socket = {}
Socket.__index = Socket

local M = {}

local function wake(self)
  local reader = self.reader
  if reader then
    core.wake(reader, true)
  end
end

local function on_event(self, kind, value, message)
  if kind == 'data' then
    self.parts[#self.parts + 1] = value
    self.size = self.size + #value
    if self.size > AHEAD + self.wanted and not self.paused then
      self.paused = true
      core.socket_pause(self.id, true)
    end
  elseif kind == 'open' then
    self.opened = true
  else
    self.over = errors.new(value, message)
  end
  wake(self)
end

-- Parks until something happens. Nil and why when nothing will, or not in time.
---@async
local function wait(self, till)
  if self.over then
    return nil, self.over
  elseif self.reader then
    error('another fiber reads from this socket', 3)
  end
  self.reader = core.fiber()
  local woken, why = core.park(till and math.max(1, till - core.clock()))
  self.reader = nil
  if not woken then
    return nil, errors.new(why, why == 'TIMEOUT' and 'no answer in time' or nil)
  end
  return true
end

-- Connects. The URL is tcp://host:port or unix:///path.
---@async
---@param url string
---@param options? {timeout?: number}  ms to connect, and for each read (default 5000)
---@return perilune.Socket?
---@return perilune.Error?
function M.connect(url, options)
  local timeout = options and options.timeout or 5000
  local self =
    setmetatable({ parts = {}, taken = 0, size = 0, wanted = 0, timeout = timeout }, Socket)
  local id, message = core.socket_open(url, timeout, function(_, kind, value, text)
    on_event(self, kind, value, text)
  end)
  if not id then
    return nil, errors.new('CONFIG', message)
  end
  self.id = id
  repeat
    local ok, err = wait(self)
    if not ok then
      core.socket_close(id, true)
      return nil, err
    end
  until self.opened
  return self
end

-- What is there as one text, and how much of it was taken: cutting that off each time would copy what is left
-- for each line of many.
local function buffered(self)
  if #self.parts > 1 then
    self.parts[1] = self.parts[1]:sub(self.taken + 1)
    self.parts, self.taken = { table.concat(self.parts) }, 0
  end
  return self.parts[1] or '', self.taken
end

-- Takes the first n bytes of what is there.
local function take(self, n)
  local text, from = buffered(self)
  self.taken = from + n
  self.size = #text - self.taken
  if self.size == 0 then
    self.parts, self.taken = {}, 0
  end
  if self.paused and self.size < AHEAD / 2 then
    self.paused = false
    core.socket_pause(self.id, false)
  end
  return text:sub(from + 1, from + n)
end

-- Reads exactly `n` bytes, or with no `n` whatever comes next.
---@async
---@param n? integer
---@param timeout? number  ms; 0 = as long as it takes
---@return string?
---@return perilune.Error?
function Socket:read(n, timeout)
  timeout = timeout or self.timeout
  if n ~= nil and not (type(n) == 'number' and n >= 0 and n % 1 == 0) then
    error(('socket:read: a count of bytes is wanted, got %s'):format(tostring(n)), 2)
  end
  local till = timeout > 0 and core.clock() + timeout or nil
  self.wanted = n or 1
  if self.paused and self.size < self.wanted then
    self.paused = false
    core.socket_pause(self.id, false)
  end
  while self.size < self.wanted do
    local ok, err = wait(self, till)
    if not ok then
      return nil, err
    end
  end
  self.wanted = 0
  return take(self, n or self.size)
end

-- Reads a line and returns it without its end (\n or \r\n).
---@async
---@param timeout? number
---@return string?
---@return perilune.Error?
function Socket:read_line(timeout)
  timeout = timeout or self.timeout
  local till = timeout > 0 and core.clock() + timeout or nil
  while true do
    local text, from = buffered(self)
    local at = text:find('\n', from + 1, true)
    if at and at - from <= LINE then
      return (take(self, at - from):gsub('\r?\n$', ''))
    elseif self.size > LINE then
      return nil, errors.new('TOO_BIG', ('a line is longer than %d bytes'):format(LINE))
    end
    local ok, err = wait(self, till)
    if not ok then
      return nil, err
    end
  end
end

-- Queues bytes; they are written at the end of this turn. False when it is closed.
---@param bytes string
---@return boolean
function Socket:write(bytes)
  return not self.over and core.socket_write(self.id, bytes) ~= nil
end

-- Closes it after what was queued is written. Whoever reads gets an error.
function Socket:close()
  if not self.over then
    self.over = errors.new('CLOSED', 'closed here')
    core.socket_close(self.id)
    wake(self)
  end
end

-- Why there is nothing more to come, or nil.
---@return perilune.Error?
function Socket:ended()
  return self.size == 0 and self.over or nil
end

return M
