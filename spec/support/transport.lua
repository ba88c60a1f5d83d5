-- SPDX-License-Identifier: MIT
-- Loops, recording connections and the fake clock for specs of the transport. Everything here runs
-- interpreted: a turn may call back into Lua.
jit.off(true, true)
local ffi = require 'ffi'
local c = require 'spec.support.c'

local lib = c.cdef('transport/inproc.h', 'transport/listener.h', 'base/log.h', 'base/limit.h')

local M = { lib = lib }

if not pcall(ffi.typeof, 'peri_test_conn') then
  ffi.cdef [[
typedef struct peri_test_conn {
  peri_channel *channel;
  peri_buf in;
  int mode;
  bool echo;
  bool keep;
  int pause_after;
  int fail;
  int close;
  struct peri_test_conn *next;
  int data_calls;
  int writable_calls;
  int closed_calls;
  int late_calls;
  int frames;
  int code;
  size_t longest;
  peri_block *kept[64];
  int kept_count;
} peri_test_conn;
peri_test_conn *peri_test_conn_new(int mode);
void peri_test_conn_free(peri_test_conn *conn);
void peri_test_conn_start(peri_test_conn *conn, peri_channel *channel, const peri_channel_limits *limits);
void peri_test_conn_send(peri_test_conn *conn, const void *bytes, size_t len);
void peri_test_conn_send_block(peri_test_conn *conn, const void *bytes, size_t len);
void peri_test_conn_fill(peri_test_conn *conn, size_t len);
void peri_test_on_connected(void *arg, peri_channel *channel, int code, const char *why);
void peri_test_on_accepted(void *arg, peri_channel *channel);
int peri_test_socketpair(int family, int fds[2]);
void peri_test_xor(peri_channel *channel);
void peri_test_clock(bool fake);
void peri_test_clock_advance(uint64_t ms);
typedef struct peri_test_accepted { int count; int fds[64]; } peri_test_accepted;
void peri_test_on_accept(void *arg, peri_listener *listener, int fd);
int peri_test_no_descriptors(void);
void peri_test_descriptors_back(void);
int close(int fd);
]]
end

M.ALL, M.FRAMES, M.NOTHING = 0, 1, 2

-- C has pointers to both: they stay until `fini`, whatever becomes of a spec's locals.
local loops, conns = {}, {}

-- A loop; the fake clock stands still unless advanced.
function M.loop()
  local loop = ffi.new('peri_loop')
  assert(lib.peri_loop_init(loop) == 0)
  loops[#loops + 1] = loop
  return loop
end

function M.conn(mode)
  local conn = ffi.gc(lib.peri_test_conn_new(mode or M.ALL), lib.peri_test_conn_free)
  conns[#conns + 1] = conn
  return conn
end

-- Turns the loop until `condition` holds; fails after `limit` turns of at most 10 ms each.
function M.eventually(loop, condition, what, limit)
  for _ = 1, limit or 500 do
    if condition() then
      return
    end
    lib.peri_loop_turn(loop, 10)
  end
  error('never happened: ' .. (what or 'condition'), 2)
end

function M.turns(loop, count)
  for _ = 1, count do
    lib.peri_loop_turn(loop, 0)
  end
end

function M.frame(text)
  local n = #text
  return string.char(
    bit.band(bit.rshift(n, 24), 255),
    bit.band(bit.rshift(n, 16), 255),
    bit.band(bit.rshift(n, 8), 255),
    bit.band(n, 255)
  ) .. text
end

function M.received(conn)
  return c.string(conn['in'])
end

-- An err and its code name and text.
function M.err()
  local err = ffi.new('peri_err')
  return err,
    function()
      return ffi.string(lib.peri_code_name(err.code)), ffi.string(err.text)
    end
end

function M.code_name(code)
  return ffi.string(lib.peri_code_name(code))
end

-- Closes what a spec left to us and demands that nothing else is open.
function M.fini()
  local forgotten = 0
  for i, loop in ipairs(loops) do
    forgotten = forgotten + lib.peri_loop_fini(loop)
    loops[i] = nil
  end
  conns = {}
  lib.peri_test_clock(false)
  collectgarbage()
  assert(forgotten == 0, forgotten .. ' handles were left open')
  assert(lib.peri_block_count() == 0, 'blocks were left')
end

return M
