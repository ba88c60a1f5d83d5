-- SPDX-License-Identifier: MIT
-- A peer that sends what it likes: a blocking socket with limits, and frames made byte by byte.
--
--   local it = peer.connect(port)
--   it:send(peer.negotiate('demo.Greeter', 'prod'))
--   it:reply()                                   -- one whole frame
--   it:send(peer.request('hello', peer.msgpack))
--   assert.is_true(it:closed())                  -- by the other end, within the limit
local bit = require 'bit'
local ffi = require 'ffi'
require 'spec.support.child'

ffi.cdef [[
struct peri_spec_inet { uint16_t family; uint8_t port[2]; uint8_t host[4]; uint8_t zero[8]; };
struct peri_spec_linger { int on; int seconds; };
int socket(int domain, int type, int protocol);
int peri_spec_connect(int fd, const struct peri_spec_inet *to, unsigned len) __asm__("connect");
long peri_spec_send(int fd, const char *buf, size_t len, int flags) __asm__("send");
long peri_spec_recv(int fd, void *buf, size_t len, int flags) __asm__("recv");
int peri_spec_setsockopt(int fd, int level, int name, const void *value, unsigned len)
  __asm__("setsockopt");
]]

local C = ffi.C
local AF_INET, SOCK_STREAM, SOCK_CLOEXEC = 2, 1, 0x80000
local SOL_SOCKET, SO_LINGER, NOSIGNAL = 1, 13, 0x4000
local POLLIN = 1
local LIMIT = 10000 -- ms until a wait gives up

local M = {
  REQUEST = 1,
  REPLY = 2,
  NEGOTIATE = 8,
  NEGOTIATED = 9,
  BEAT = 10,
  OFFLINE = 15,
  DATA = 100,
  CALLBACK = 4,
  CALLBACK_REPLY = 5,
  CANCEL = 102,
  json = 13,
  raw = 110,
  msgpack = 111,
}

---@class peri.spec.Peer
---@field fd integer?
local Peer = {}
Peer.__index = Peer

local buffer = ffi.new 'uint8_t[65536]'

---@param port integer
---@return peri.spec.Peer
function M.connect(port)
  local fd = C.socket(AF_INET, SOCK_STREAM + SOCK_CLOEXEC, 0)
  assert(fd >= 0, 'no socket')
  local to = ffi.new 'struct peri_spec_inet'
  to.family = AF_INET
  to.port[0], to.port[1] = bit.rshift(port, 8), bit.band(port, 255)
  to.host[0], to.host[3] = 127, 1
  if C.peri_spec_connect(fd, to, 16) ~= 0 then
    C.close(fd)
    error('cannot connect to port ' .. port, 2)
  end
  return setmetatable({ fd = fd, input = '' }, Peer)
end

-- Sends all of `bytes`; false when the other end has closed.
function Peer:send(bytes)
  local sent = 0
  while sent < #bytes do
    local part = bytes:sub(sent + 1, sent + 65536)
    local n = C.peri_spec_send(self.fd, part, #part, NOSIGNAL)
    if n <= 0 then
      return false
    end
    sent = sent + tonumber(n)
  end
  return true
end

-- True with more input, false at the end, nil when nothing came in time.
function Peer:read(limit)
  local fds = ffi.new('struct peri_spec_pollfd[1]', { { self.fd, POLLIN, 0 } })
  if C.peri_spec_poll(fds, 1, limit or LIMIT) <= 0 then
    return nil
  end
  local n = C.peri_spec_recv(self.fd, buffer, 65536, 0)
  if n <= 0 then
    return false
  end
  self.input = self.input .. ffi.string(buffer, n)
  return true
end

-- Takes the next whole frame from the input: type, id, body, all of it. Nil when none comes.
function Peer:reply(limit)
  while true do
    local length = #self.input >= 6 and M.number(self.input, 3, 4)
    if length and #self.input >= length + 2 then
      local frame = self.input:sub(1, length + 2)
      self.input = self.input:sub(length + 3)
      local header = M.number(frame, 7, 2)
      return frame:byte(9), M.number(frame, 10, 4), frame:sub(7 + header), frame
    end
    if not self:read(limit) then
      return nil
    end
  end
end

-- Waits for the other end to close; what it still sends is dropped.
function Peer:closed(limit)
  while true do
    local more = self:read(limit)
    self.input = ''
    if not more then
      return more == false
    end
  end
end

---@param reset? boolean  with RST instead of FIN
function Peer:close(reset)
  if self.fd then
    if reset then
      local linger = ffi.new('struct peri_spec_linger', { 1, 0 })
      C.peri_spec_setsockopt(self.fd, SOL_SOCKET, SO_LINGER, linger, ffi.sizeof(linger))
    end
    C.close(self.fd)
    self.fd = nil
  end
end

-- ── bytes ─────────────────────────────────────────────────────────────────────────────────────

function M.number(text, at, size)
  local value = 0
  for i = at, at + size - 1 do
    value = value * 256 + text:byte(i)
  end
  return value
end

local function u16(n)
  return string.char(math.floor(n / 256) % 256, n % 256)
end

local function u32(n)
  return u16(math.floor(n / 65536)) .. u16(n % 65536)
end

M.u16, M.u32 = u16, u32

-- Fields left out are those of a message without a body. `length` may lie.
---@param f table  type, id, session, serialization, compression, timeout, callback, body, length ...
---@return string
function M.frame(f)
  local body = f.body or ''
  local attribute = f.callback and '\5\2' .. u16(#f.callback) .. f.callback or ''
  return '\173\208'
    .. u32(f.length or 22 + #attribute + #body)
    .. u16(f.header or (18 + #attribute))
    .. string.char(f.type)
    .. u32(f.id or 1)
    .. u32(f.session or 1)
    .. string.char(f.serialization or M.json, f.compression or 0)
    .. u32(f.timeout or 5000)
    .. string.char(f.attributes or (f.callback and 1 or 0))
    .. attribute
    .. body
end

---@param interface string
---@param alias string
---@param serialization? string
function M.negotiate(interface, alias, serialization)
  serialization = serialization or 'msgpack'
  return M.frame {
    type = M.NEGOTIATE,
    body = (
      '{"serialization":"json","compression":null,"checksum":null,"serializations":["json"],'
      .. [["compressions":[],"checksums":[],"attributes":{"interface":"%s","alias":"%s",]]
      .. [["perilune":"1","perilune.serialization":"%s","perilune.serializations":"%s"}}]]
    ):format(interface, alias, serialization, serialization),
  }
end

-- A native request. `f` as for M.frame.
function M.request(method, args, f)
  local all = { type = M.REQUEST, id = 2, serialization = M.msgpack }
  for key, value in pairs(f or {}) do
    all[key] = value
  end
  all.body = u16(2 + #method) .. string.char(0, #method) .. method .. args
  return M.frame(all)
end

-- A connection with session 1 negotiated.
function M.session(port, interface, alias, serialization)
  local it = M.connect(port)
  it:send(M.negotiate(interface, alias, serialization))
  local type, _, body = it:reply()
  assert(type == M.NEGOTIATED and body:find('"status":0', 1, true), body or 'no answer')
  return it
end

return M
