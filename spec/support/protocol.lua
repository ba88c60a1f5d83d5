-- SPDX-License-Identifier: MIT
-- Protocol machines in specs: two connections on one loop with a relay between them
-- (spec/support/c/test_rig.h) that cuts, records and drops bytes.
local ffi = require 'ffi'
local c = require 'spec.support.c'

local lib = c.cdef('protocol/conn.h', 'protocol/counters.h', 'protocol/adapter.h')

local function declare()
  local file = assert(io.open(c.root .. '/spec/support/c/test_rig.h'))
  local text = file:read('*a'):gsub('//[^\n]*', ''):gsub('#[^\n]*', '')
  file:close()
  ffi.cdef(text)
end
if not pcall(ffi.typeof, 'peri_test_rig') then
  declare()
end

local M = { lib = lib, UP = 0, DOWN = 1 }

local Rig = {}
Rig.__index = Rig

-- options: protocol (name, default 'joyrpc'; false = only a server, the spec is the client), limits
-- (table of peri_conn_limits fields), chunk, up_cut, down_cut, up_drop, down_drop.
function M.rig(options)
  options = options or {}
  local limits = ffi.new('peri_conn_limits[1]', { lib.peri_conn_limits_default })
  for key, value in pairs(options.limits or {}) do
    limits[0][key] = value
  end
  local protocol = nil
  if options.protocol ~= false then
    protocol = options.protocol == 'test' and lib.peri_test_protocol
      or lib.peri_protocol_by_name(options.protocol or 'joyrpc')
    assert(protocol ~= nil)
  end
  local raw = lib.peri_test_rig_new(protocol, limits)
  raw.chunk = options.chunk or 0
  for side, name in pairs { [0] = 'up', [1] = 'down' } do
    raw.side[side].cut = options[name .. '_cut'] or 0
    raw.side[side].drop = options[name .. '_drop'] or 0
  end
  return setmetatable({ raw = raw, keep = {}, seen = {} }, Rig)
end

function Rig:free()
  local left = lib.peri_test_rig_free(self.raw)
  lib.peri_test_clock_restore()
  self.raw = nil
  return left
end

function Rig:pump()
  lib.peri_test_pump(self.raw)
  return self
end

function Rig:advance(ms)
  lib.peri_test_advance(self.raw, ms)
  return self
end

function Rig:conn(side)
  return self.raw.side[side].conn
end

-- Lines heard by a side so far.
function Rig:heard(side)
  return c.string(self.raw.side[side].heard)
end

-- Lines heard since the last call.
function Rig:news(side)
  local all = self:heard(side)
  local from = self.seen[side] or 0
  self.seen[side] = #all
  return all:sub(from + 1)
end

-- Every byte that a side sent.
function Rig:wire(side)
  return c.string(self.raw.side[side].wire)
end

function Rig:send(side, bytes)
  lib.peri_test_send(self.raw, side, bytes, #bytes)
  return self
end

local TEXTS = {
  iface = true,
  alias = true,
  method = true,
  attachments = true,
  message = true,
  callback = true,
  body = true,
}

-- A peri_event out of a table; keeps the texts alive as long as the rig.
function Rig:event(fields)
  local event = ffi.new('peri_event')
  for key, value in pairs(fields) do
    if key == 'type' then
      event.type = lib['PERI_EV_' .. value]
    elseif TEXTS[key] then
      self.keep[#self.keep + 1] = value
      event[key] = c.bytes(value)
    else
      event[key] = value
    end
  end
  return event
end

-- Sends a whole event; returns the code, nil when the side is closed or does not know its protocol.
function Rig:emit(side, fields)
  local conn = self:conn(side)
  if conn == nil or conn.protocol == nil then
    return nil
  end
  return conn.protocol.emit(conn, self:event(fields))
end

-- Sends an event whose body is appended between begin and end.
function Rig:write(side, fields)
  local conn = self:conn(side)
  if conn == nil or conn.protocol == nil then
    return nil
  end
  local body = fields.body or ''
  fields.body = nil
  local event, mark = self:event(fields), ffi.new('peri_mark')
  local code = conn.protocol.begin(conn, event, mark)
  if code ~= 0 then
    return code
  end
  lib.peri_buf_add(lib.peri_conn_out(conn), body, #body)
  return conn.protocol['end'](conn, event, mark)
end

-- A stream id whose answer is heard as a line `DONE`.
function Rig:expect(side)
  if self:conn(side) == nil then
    return 0
  end
  return tonumber(lib.peri_test_expect(self.raw, side))
end

function Rig:stream(side)
  return self:conn(side) ~= nil and tonumber(lib.peri_conn_open_stream(self:conn(side))) or 0
end

-- Takes the client's registration back; the future that waits is cancelled.
function Rig:forget(stream, tell)
  if self:conn(M.UP) ~= nil then
    lib.peri_test_forget(self.raw, M.UP, stream, tell or false)
  end
end

-- Opens a session from the client; returns it, or nil, code, text.
function Rig:open(params)
  local p = ffi.new('peri_session_params')
  local function pairs_of(list)
    if not list then
      return nil
    end
    local array = ffi.new('const char *[?]', #list + 1)
    for i, text in ipairs(list) do
      array[i - 1] = text
    end
    self.keep[#self.keep + 1] = array
    self.keep[#self.keep + 1] = list
    return array
  end
  for key, value in pairs(params) do
    if type(value) == 'table' then
      p[key] = pairs_of(value)
    else
      self.keep[#self.keep + 1] = value
      p[key] = value
    end
  end
  local code = lib.peri_test_open_session(self.raw, p)
  if code ~= 0 then
    return nil, code, ''
  end
  self:pump()
  local session = self.raw.session
  if session == nil then
    return nil, self.raw.session_code, ffi.string(self.raw.session_why)
  end
  return session
end

-- The session of the same id at the server.
function Rig:server_session(id)
  if self:conn(M.DOWN) == nil then
    return nil
  end
  return lib.peri_conn_session(self:conn(M.DOWN), id)
end

-- What a server that has to find out the protocol hears of `sent`, and what it says to that.
---@param sent string
---@param chunk? integer  most bytes that arrive at a time
---@return string heard
---@return string said
function M.hear(sent, chunk)
  local rig = M.rig { protocol = false, chunk = chunk }
  rig:send(M.UP, sent):pump()
  local heard, said = rig:heard(M.DOWN), rig:wire(M.DOWN)
  local left = rig:free()
  assert(left == 0, ('%d blocks were left'):format(left))
  return heard, said
end

return M
