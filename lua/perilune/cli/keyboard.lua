-- SPDX-License-Identifier: MIT
-- The terminal as one who edits lines needs it: keys at once, without an echo. Reading waits by parking,
-- so that connections live on while nobody types.
local core = require 'perilune.core'
local ffi = require 'ffi'

local M = {}

ffi.cdef [[
struct peri_termios { uint32_t iflag, oflag, cflag, lflag; uint8_t line, cc[32]; uint32_t speeds[2]; };
struct peri_pollfd { int fd; short events, revents; };
struct peri_winsize { unsigned short rows, columns, x, y; };
int tcgetattr(int fd, struct peri_termios *to);
int tcsetattr(int fd, int when, const struct peri_termios *from);
int poll(struct peri_pollfd *fds, unsigned long count, int ms);
long read(int fd, void *buffer, size_t size);
int ioctl(int fd, unsigned long request, ...);
]]

local ICANON, ECHO, ICRNL = 2, 8, 256
local VINTR, VTIME, VMIN = 0, 5, 6
local POLLIN, TIOCGWINSZ = 1, 0x5413
local POLL_MS, SIZE = 10, 4096

local buffer = ffi.new('char[?]', SIZE)
local fds = ffi.new 'struct peri_pollfd[1]'

-- Bytes that are there, '' when there are none, nil at the end.
local function try()
  fds[0].fd, fds[0].events = 0, POLLIN
  if ffi.C.poll(fds, 1, 0) <= 0 then
    return ''
  end
  local len = tonumber(ffi.C.read(0, buffer, SIZE))
  return len > 0 and ffi.string(buffer, len) or nil
end
M.try = try

-- Waits for bytes; nil at the end of the input.
---@async
---@return string?
function M.read()
  local bytes = try()
  while bytes == '' do
    core.sleep(POLL_MS)
    bytes = try()
  end
  return bytes
end

---@return integer
function M.width()
  local size = ffi.new 'struct peri_winsize'
  return ffi.C.ioctl(1, TIOCGWINSZ, size) == 0 and size.columns > 0 and size.columns or 80
end

-- Keys at once from now on; Ctrl-C is one. Returns what puts the terminal back.
---@return fun()
function M.open()
  local before, now = ffi.new 'struct peri_termios', ffi.new 'struct peri_termios'
  ffi.C.tcgetattr(0, before)
  ffi.copy(now, before, ffi.sizeof(before))
  now.lflag = bit.band(now.lflag, bit.bnot(ICANON + ECHO))
  now.iflag = bit.band(now.iflag, bit.bnot(ICRNL))
  now.cc[VINTR], now.cc[VMIN], now.cc[VTIME] = 0, 1, 0
  ffi.C.tcsetattr(0, 0, now)
  return function()
    ffi.C.tcsetattr(0, 0, before)
  end
end

return M
