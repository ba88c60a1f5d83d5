-- SPDX-License-Identifier: MIT
-- What systemd is told, received on a socket of our own.
local ffi = require 'ffi'
local app = require 'spec.support.app'
local eventually = require 'spec.support.eventually'

ffi.cdef [[
struct peri_spec_sockaddr_un { unsigned short family; char path[108]; };
int socket(int domain, int type, int protocol);
int bind(int fd, const struct peri_spec_sockaddr_un *address, unsigned size);
ssize_t recv(int fd, void *buf, size_t len, int flags);
int close(int fd);
]]

local AF_UNIX, SOCK_DGRAM, NONBLOCK, DONTWAIT = 1, 2, 2048, 64

local function listen(path)
  local fd = ffi.C.socket(AF_UNIX, SOCK_DGRAM + NONBLOCK, 0)
  local address = ffi.new('struct peri_spec_sockaddr_un', { family = AF_UNIX, path = path })
  assert(ffi.C.bind(fd, address, ffi.sizeof(address)) == 0)
  return fd
end

describe('systemd', function()
  local fd
  after_each(function()
    app.stop_all()
    ffi.C.close(fd)
  end)

  it('hears READY, WATCHDOG and STOPPING', function()
    local heard, buf = '', ffi.new 'char[256]'
    local function hears(text)
      eventually(function()
        local n = ffi.C.recv(fd, buf, 256, DONTWAIT)
        if n > 0 then
          heard = heard .. ffi.string(buf, n) .. ' '
        end
        return heard:find(text, 1, true)
      end, { what = text })
    end
    local path = app.script('', 'none') .. '.socket'
    fd = listen(path)
    local server = app.serve(
      "perilune.export { interface = 'a.B', service = { c = function() end } }"
        .. "perilune.listen 'tcp://127.0.0.1:0'",
      { env = { NOTIFY_SOCKET = path, WATCHDOG_USEC = '400000', WATCHDOG_PID = false } }
    )
    hears 'READY=1'
    hears 'WATCHDOG=1'
    server:kill 'TERM'
    hears 'STOPPING=1'
    assert.same({ code = 0 }, server:wait())
  end)
end)
