-- SPDX-License-Identifier: MIT
-- Every transport, each also through a transform: `open(loop)` gives both ends of a connection.
local assert = require 'luassert'
local ffi = require 'ffi'
local folders = require 'spec.support.folders'
local t = require 'spec.support.transport'

local lib = t.lib

local function from_sockets(family)
  return function(loop)
    local fds = ffi.new('int[2]')
    assert(lib.peri_test_socketpair(family, fds) == 0)
    return lib.peri_channel_from_fd(loop, fds[0]), lib.peri_channel_from_fd(loop, fds[1])
  end
end

-- A real connection through a listener, as a process makes it.
local function from_listener(url)
  return function(loop)
    local err, text = t.err()
    local accepted = ffi.new('peri_test_accepted')
    local listener = lib.peri_listener_open(url(), nil, err)
    assert(listener ~= nil, select(2, text()))
    assert(lib.peri_listener_start(listener, loop, lib.peri_test_on_accept, accepted) == 0)
    local client = t.conn()
    local bound = ffi.string(lib.peri_listener_url(listener))
    assert(lib.peri_connect(loop, bound, 5000, lib.peri_test_on_connected, client, err) == 0)
    t.eventually(loop, function()
      return client.channel ~= nil and accepted.count == 1
    end, 'connected')
    lib.peri_listener_close(listener)
    return client.channel, lib.peri_channel_from_fd(loop, accepted.fds[0])
  end
end

local transports = {
  {
    name = 'tcp',
    open = from_listener(function()
      return 'tcp://127.0.0.1:0'
    end),
  },
  {
    name = 'unix',
    open = from_listener(function()
      return 'unix://' .. folders.new()
    end),
  },
  { name = 'unix pair', open = from_sockets(1) },
  {
    name = 'inproc',
    open = function(loop)
      local ends = ffi.new('peri_channel *[2]')
      lib.peri_channel_pair(loop, ends)
      return ends[0], ends[1]
    end,
  },
}

local wrapped = {}
for _, transport in ipairs(transports) do
  wrapped[#wrapped + 1] = transport
end
for _, transport in ipairs(transports) do
  wrapped[#wrapped + 1] = {
    name = transport.name .. ' through a transform',
    open = function(loop)
      local a, b = transport.open(loop)
      lib.peri_test_xor(a)
      lib.peri_test_xor(b)
      return a, b
    end,
  }
end

return wrapped
