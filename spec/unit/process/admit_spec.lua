-- SPDX-License-Identifier: MIT
-- The addresses of real peers are in spec/functional/process/limits_spec.lua: here are unix sockets.
local ffi = require 'ffi'
local c = require 'spec.support.c'
local lib = c.cdef('base/limit.h', 'base/log.h', 'process/admit.h')

ffi.cdef [[
int socketpair(int domain, int type, int protocol, int fds[2]);
int close(int fd);
]]

describe('process.admit', function()
  local admission, fds, threshold

  before_each(function()
    threshold, lib.peri_log_threshold = lib.peri_log_threshold, lib.PERI_LOG_OFF
    admission = lib.peri_admission_new()
    fds = ffi.new 'int[2]'
    assert.equal(0, ffi.C.socketpair(1, 1, 0, fds))
  end)

  after_each(function()
    lib.peri_log_threshold = threshold
    lib.peri_admission_free(admission)
    ffi.C.close(fds[0])
    ffi.C.close(fds[1])
  end)

  local function limit(connections, per_listener, per_peer)
    local limits = ffi.new('peri_admit_limits', { connections, per_listener, per_peer })
    lib.peri_admission_set(admission, limits)
  end

  local function admit(listener)
    local ticket = lib.peri_admit(admission, fds[0], listener or 0, 'unix://x')
    return ticket ~= nil and ticket or nil
  end

  local function refused(which, listener)
    local before = lib.peri_limit_hits(which)
    assert.is_nil(admit(listener))
    assert.equal(1, tonumber(lib.peri_limit_hits(which) - before))
  end

  it('admits up to the number of the process, and again when one has gone', function()
    limit(2, 10, 10)
    local first, second = admit(0), admit(1)
    refused(lib.PERI_LIMIT_CONNECTIONS)
    assert.equal(2, lib.peri_admission_count(admission))
    lib.peri_admit_end(first)
    first = assert(admit())
    lib.peri_admit_end(first)
    lib.peri_admit_end(second)
    assert.equal(0, lib.peri_admission_count(admission))
  end)

  it('counts each listener by itself', function()
    limit(10, 1, 10)
    local first, second = assert(admit(0)), assert(admit(63))
    refused(lib.PERI_LIMIT_CONNECTIONS_PER_LISTENER, 63)
    lib.peri_admit_end(second)
    second = assert(admit(63))
    lib.peri_admit_end(first)
    lib.peri_admit_end(second)
  end)

  it('counts no peers on unix sockets', function()
    limit(10, 10, 1)
    local first, second = assert(admit()), assert(admit())
    lib.peri_admit_end(first)
    lib.peri_admit_end(second)
  end)
end)
