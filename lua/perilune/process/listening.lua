-- SPDX-License-Identifier: MIT
-- Where a process of this machine listens, as the kernel tells those who may look at it.
local ffi = require 'ffi'

local M = {}

local LISTEN = '0A'
local DESCRIPTORS = 4096

local function lines_of(path)
  local lines, file = {}, io.open(path)
  if file then
    for line in file:lines() do
      lines[#lines + 1] = line
    end
    file:close()
  end
  return lines
end

local declared = false
local function read_link(path)
  if not declared then
    ffi.cdef 'long readlink(const char *path, char *buffer, size_t size);'
    declared = true
  end
  local buffer = ffi.new 'char[256]'
  local len = tonumber(ffi.C.readlink(path, buffer, 256))
  return len > 0 and ffi.string(buffer, len) or nil
end

local function sockets_of(pid)
  local inodes, any = {}, false
  for fd = 0, DESCRIPTORS do
    local link = read_link(('/proc/%d/fd/%d'):format(pid, fd))
    local inode = link and link:match '^socket:%[(%d+)%]$'
    if inode then
      inodes[inode], any = true, true
    end
  end
  return any and inodes or nil
end

-- '0100007F:55F0' of /proc/net/tcp
local function address_of(text)
  local bytes, port = text:match '^(%x+):(%x+)$'
  port = tonumber(port, 16)
  if #bytes ~= 8 then
    return ('[::1]:%d'):format(port)
  end
  local d, c, b, a = bytes:match '(%x%x)(%x%x)(%x%x)(%x%x)'
  local host = ('%d.%d.%d.%d'):format(
    tonumber(a, 16),
    tonumber(b, 16),
    tonumber(c, 16),
    tonumber(d, 16)
  )
  return ('%s:%d'):format(host == '0.0.0.0' and '127.0.0.1' or host, port)
end

-- A URL of the process's admin service, or nil and why not.
---@param pid number
---@return string? url
---@return string? message
function M.url_of(pid)
  if pid < 2 or pid % 1 ~= 0 then
    return nil, '--pid must be the id of a process'
  end
  local inodes = sockets_of(pid)
  if not inodes then
    return nil, ('no process %d with sockets that this user may look at'):format(pid)
  end
  for _, path in ipairs { 'tcp', 'tcp6' } do
    for _, line in ipairs(lines_of(('/proc/%d/net/%s'):format(pid, path))) do
      local at, state, inode =
        line:match '^%s*%d+: (%S+) %S+ (%x%x) %S+ %S+ %S+%s+%d+%s+%d+%s+(%d+)'
      if state == LISTEN and inodes[inode] then
        return 'joyrpc://' .. address_of(at)
      end
    end
  end
  for _, line in ipairs(lines_of(('/proc/%d/net/unix'):format(pid))) do
    -- flags 00010000: it listens
    local inode, path = line:match '^%S+ %S+ %S+ 00010000 %S+ %S+%s+(%d+) (/.*)$'
    if inode and inodes[inode] then
      return 'unix://' .. path
    end
  end
  return nil, ('process %d listens nowhere'):format(pid)
end

-- Of this process.
---@return integer
function M.user()
  pcall(ffi.cdef, 'unsigned geteuid(void);')
  return ffi.C.geteuid()
end

local LOOPBACK6 = '00000000000000000000000001000000'

-- The user at the other end of a connection of this machine, '127.0.0.1:4711'; nil when unknown, or when
-- several share that port towards different addresses.
---@param peer string
---@return integer? uid
function M.user_of(peer)
  local port = tonumber(peer:match ':(%d+)$')
  if not port then
    return nil
  end
  local ending, found = (':%04X'):format(port), nil
  for _, path in ipairs { '/proc/net/tcp', '/proc/net/tcp6' } do
    for _, line in ipairs(lines_of(path)) do
      local at, state, uid = line:match '^%s*%d+: (%S+) %S+ (%x%x) %S+ %S+ %S+%s+(%d+)'
      local same = state == '01'
        and at:sub(-5) == ending
        and (#at < 20 or at:sub(1, 32) == LOOPBACK6)
        and address_of(at) == peer
      if same and found and found ~= tonumber(uid) then
        return nil
      elseif same then
        found = tonumber(uid)
      end
    end
  end
  return found
end

return M
