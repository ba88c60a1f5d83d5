-- SPDX-License-Identifier: MIT
-- Sockets that the parent bound and passed, as systemd does.
local ffi = require 'ffi'
local app = require 'spec.support.app'
local child = require 'spec.support.child'

ffi.cdef [[
int peri_spec_socket(int family, int type, int protocol) __asm__("socket");
int peri_spec_bind(int fd, const void *address, unsigned size) __asm__("bind");
int peri_spec_listen(int fd, int backlog) __asm__("listen");
int peri_spec_getsockname(int fd, void *address, unsigned *size) __asm__("getsockname");
int close(int fd);
]]

local AF_UNIX, AF_INET, AF_INET6, STREAM, CLOEXEC = 1, 2, 10, 1, 524288
local INET_ANY, LOOPBACK = '\0\0\0\0', '\127\0\0\1'

local open = {}

-- A listening socket; bytes of the address behind its family.
local function listening(family, bytes)
  local address = ffi.new('uint8_t[128]')
  ffi.cast('uint16_t *', address)[0] = family
  ffi.copy(address + 2, bytes, #bytes)
  local fd = ffi.C.peri_spec_socket(family, STREAM + CLOEXEC, 0)
  assert(fd >= 0, 'socket')
  local size = family == AF_INET and 16 or family == AF_INET6 and 28 or 2 + #bytes + 1
  assert(ffi.C.peri_spec_bind(fd, address, size) == 0, 'bind')
  assert(ffi.C.peri_spec_listen(fd, 8) == 0, 'listen')
  local used = ffi.new('unsigned[1]', 128)
  ffi.C.peri_spec_getsockname(fd, address, used)
  open[#open + 1] = fd
  return fd, address[2] * 256 + address[3]
end

local function tcp(host)
  return listening(AF_INET, '\0\0' .. host)
end

-- Starts the script with the descriptors passed; `pid`: what LISTEN_PID says, '$$' is the truth.
local function serve(fds, urls, pid)
  local lines = {}
  for i, url in ipairs(urls) do
    lines[i] = ("perilune.listen '%s'"):format(url)
  end
  local path = app.script(([[
    local perilune = require 'perilune'
    perilune.export { interface = 'demo.Echo', service = { echo = function(_, x) return x end } }
    %s
    perilune.start(function() if perilune.context() == nil then print 'up' end end)
  ]]):format(table.concat(lines, '\n')))
  local command = ('LISTEN_PID=%s LISTEN_FDS=%d exec %s run --workers 1 %s'):format(
    pid or '$$',
    #fds,
    child.binary(),
    path
  )
  local process = child.start({ 'sh', '-c', command }, { fds = fds })
  open.process = process
  return process
end

local function call(url)
  return child.run { child.binary(), 'call', url, 'demo.Echo.echo', '["moon"]' }
end

describe('a socket passed by the parent', function()
  after_each(function()
    if open.process then
      open.process:stop()
    end
    for _, fd in ipairs(open) do
      ffi.C.close(fd)
    end
    open = {}
    app.stop_all()
  end)

  it('is taken over by the listener of its address', function()
    local fd, port = tcp(LOOPBACK)
    local url = 'tcp://127.0.0.1:' .. port
    local process = serve({ fd }, { url })
    process:wait_line('serving demo.Echo on ' .. url)
    assert.equal('"moon"\n', call('joyrpc://127.0.0.1:' .. port).output)
    process:kill 'TERM'
    assert.same({ code = 0 }, process:wait())
  end)

  it('on every address serves a script that listens on every address', function()
    local fd, port = tcp(INET_ANY)
    serve({ fd }, { 'tcp://*:' .. port }):wait_line 'serving demo.Echo'
    assert.equal('"moon"\n', call('joyrpc://127.0.0.1:' .. port).output)
  end)

  it('may be a unix socket, whose file stays', function()
    local path = app.script('', 'none') .. '.socket'
    local fd = listening(AF_UNIX, path)
    local process = serve({ fd }, { 'unix://' .. path })
    process:wait_line 'serving demo.Echo'
    assert.equal('"moon"\n', call('unix://' .. path).output)
    process:kill 'TERM'
    process:wait()
    local file = require('lfs').attributes(path, 'mode')
    assert.equal('socket', file)
  end)

  it('for another process is left alone', function()
    local fd, port = tcp(LOOPBACK)
    local process = serve({ fd }, { 'tcp://127.0.0.1:' .. port }, '1')
    process:wait_line 'another process listens there'
    assert.equal(1, process:wait().code)
  end)

  it('that nobody wants is told', function()
    local fd, port = tcp(LOOPBACK)
    local file = io.open('/dev/null')
    local process = serve({ 0, fd }, { 'tcp://127.0.0.1:0' })
    process:wait_line(
      'a socket for 127.0.0.1:'
        .. port
        .. ' was passed to this process, and no script listens on it'
    )
    file:close()
  end)
end)
