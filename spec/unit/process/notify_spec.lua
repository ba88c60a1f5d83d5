-- SPDX-License-Identifier: MIT
local ffi = require 'ffi'
local c = require 'spec.support.c'
local lib = c.cdef 'process/notify.h'
ffi.cdef 'int setenv(const char *, const char *, int); int unsetenv(const char *);'

describe('process.notify', function()
  it('writes the bound addresses in one piece', function()
    local path = os.tmpname()
    local urls = ffi.new('const char *[2]', { 'tcp://127.0.0.1:4711', 'unix:///run/x' })
    local err = ffi.new 'peri_err'
    assert.equal(0, lib.peri_notify_write_ports(path, urls, 2, err))
    local file = assert(io.open(path))
    assert.equal('tcp://127.0.0.1:4711\nunix:///run/x\n', file:read '*a')
    file:close()
    os.remove(path)
  end)

  it('says what to do when it cannot', function()
    local err = ffi.new 'peri_err'
    local code = lib.peri_notify_write_ports('/nonexistent/ports', nil, 0, err)
    assert.equal(lib.PERI_ESYSTEM, code)
    assert.matches('set PERILUNE_PORT_FILE to a file', ffi.string(err.text), 1, true)
  end)

  it('halves what systemd allows for the watchdog', function()
    ffi.C.unsetenv 'WATCHDOG_PID'
    ffi.C.setenv('WATCHDOG_USEC', '3000000', 1)
    assert.equal(1500, lib.peri_notify_watchdog_ms())
    ffi.C.setenv('WATCHDOG_PID', '1', 1)
    assert.equal(0, lib.peri_notify_watchdog_ms())
    ffi.C.unsetenv 'WATCHDOG_USEC'
    assert.equal(0, lib.peri_notify_watchdog_ms())
  end)
end)
