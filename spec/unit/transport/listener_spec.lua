-- SPDX-License-Identifier: MIT
jit.off(true, true)
local ffi = require 'ffi'
local lfs = require 'lfs'
local t = require 'spec.support.transport'

local lib = t.lib

describe('transport/listener', function()
  local loop, accepted, listeners, conns

  before_each(function()
    loop = t.loop()
    accepted = ffi.new('peri_test_accepted')
    listeners, conns = {}, {}
  end)

  after_each(function()
    for _, listener in ipairs(listeners) do
      lib.peri_listener_close(listener)
    end
    for _, conn in ipairs(conns) do
      if conn.channel ~= nil then
        lib.peri_channel_close(conn.channel, 0)
      end
    end
    for i = 0, accepted.count - 1 do
      ffi.C.close(accepted.fds[i])
    end
    t.fini()
  end)

  local function open(url, options)
    local err, text = t.err()
    local listener = lib.peri_listener_open(url, options, err)
    if listener == nil then
      return nil, text()
    end
    listeners[#listeners + 1] = listener
    return listener, ffi.string(lib.peri_listener_url(listener))
  end

  local function start(listener)
    assert(listener, 'not listening')
    assert.equal(0, lib.peri_listener_start(listener, loop, lib.peri_test_on_accept, accepted))
  end

  local function connect(url)
    local conn = t.conn()
    conns[#conns + 1] = conn
    assert.equal(0, lib.peri_connect(loop, url, 5000, lib.peri_test_on_connected, conn, nil))
    return conn
  end

  local function accepted_reaches(count)
    t.eventually(loop, function()
      return accepted.count == count
    end, count .. ' accepted')
  end

  it('chooses a port and says which', function()
    local listener, url = open('tcp://127.0.0.1:0')
    assert.matches('^tcp://127%.0%.0%.1:%d+$', url)
    start(listener)
    connect(url)
    connect(url)
    accepted_reaches(2)
  end)

  it('hands over descriptors that do not block, close on exec and do not delay', function()
    local listener, url = open('tcp://localhost:0')
    start(listener)
    connect(url)
    accepted_reaches(1)
    ffi.cdef [[
      int fcntl(int fd, int cmd, ...);
      int getsockopt(int fd, int level, int name, void *value, socklen_t *size);
    ]]
    local fd = accepted.fds[0]
    assert.equal(1, ffi.C.fcntl(fd, 1))
    assert.is_true(bit.band(ffi.C.fcntl(fd, 3), 2048) ~= 0)
    local value, size = ffi.new('int[1]'), ffi.new('socklen_t[1]', 4)
    assert.equal(0, ffi.C.getsockopt(fd, 6, 1, value, size))
    assert.equal(1, value[0])
  end)

  it('refuses a taken port and says what to do', function()
    local _, url = open('tcp://127.0.0.1:0')
    local again, code, why = open(url)
    assert.is_nil(again)
    assert.equal('ALREADY_EXISTS', code)
    assert.matches(
      '^listen on ' .. url:gsub('%p', '%%%0') .. ': Address already in use; another process',
      why
    )
  end)

  it('refuses what cannot be listened on', function()
    for url, want in pairs {
      ['nonsense'] = 'CONFIG',
      ['tcp://127.0.0.1'] = 'CONFIG',
      ['inproc://x'] = 'CONFIG',
      ['unix://'] = 'CONFIG',
      ['unix:///nonexistent/folder/x.sock'] = 'CONFIG',
      ['tcp://192.0.2.1:0'] = 'CONFIG',
      ['tcp://no-such-host.invalid:0'] = 'CONFIG',
    } do
      local listener, code = open(url)
      assert.is_nil(listener, url)
      assert.equal(want, code)
    end
  end)

  it('stops accepting and goes on', function()
    local listener, url = open('tcp://127.0.0.1:0')
    start(listener)
    connect(url)
    accepted_reaches(1)
    lib.peri_listener_stop(listener)
    lib.peri_listener_stop(listener)
    local waiting = connect(url)
    t.eventually(loop, function()
      return waiting.channel ~= nil
    end, 'in the backlog')
    t.turns(loop, 3)
    assert.equal(1, accepted.count)
    start(listener)
    accepted_reaches(2)
  end)

  it('pauses when descriptors run out and resumes by itself', function()
    lib.peri_test_clock(true)
    local listener, url = open('tcp://127.0.0.1:0')
    start(listener)
    local conn = connect(url)
    t.turns(loop, 0)
    local threshold = lib.peri_log_threshold
    lib.peri_log_threshold = lib.PERI_LOG_OFF
    lib.peri_test_no_descriptors()
    t.turns(loop, 5)
    assert.equal(0, accepted.count)
    lib.peri_test_descriptors_back()
    lib.peri_log_threshold = threshold
    t.turns(loop, 5)
    assert.equal(0, accepted.count)
    lib.peri_test_clock_advance(100)
    accepted_reaches(1)
    assert.is_true(conn.channel ~= nil)
  end)

  describe('on a unix socket', function()
    local path

    before_each(function()
      path = os.tmpname()
      os.remove(path)
    end)

    after_each(function()
      os.remove(path)
    end)

    it('accepts, with the permissions asked for, and removes the file', function()
      local listener = open('unix://' .. path)
      assert.equal('rw-------', lfs.attributes(path, 'permissions'))
      lib.peri_listener_close(listener)
      listeners = {}
      assert.is_nil(lfs.attributes(path))
      local options = ffi.new('peri_listen_options', { unix_mode = 6 * 64 + 6 * 8 })
      listener = open('unix://' .. path, options)
      assert.equal('rw-rw----', lfs.attributes(path, 'permissions'))
      start(listener)
      connect('unix://' .. path)
      accepted_reaches(1)
    end)

    it('replaces a stale file, not one that is in use', function()
      ffi.cdef 'int link(const char *from, const char *to);'
      local first = open('unix://' .. path)
      local again, code = open('unix://' .. path)
      assert.is_nil(again)
      assert.equal('ALREADY_EXISTS', code)
      -- A second name keeps the file when the listener removes its own: what a killed process leaves.
      assert.equal(0, ffi.C.link(path, path .. '2'))
      lib.peri_listener_close(first)
      listeners = {}
      assert.equal('socket', lfs.attributes(path .. '2', 'mode'))
      local listener = open('unix://' .. path .. '2')
      assert.is_truthy(listener)
      start(listener)
      connect('unix://' .. path .. '2')
      accepted_reaches(1)
    end)

    it('leaves alone a file that is no socket', function()
      local file = assert(io.open(path, 'w'))
      file:write('precious')
      file:close()
      local listener, code = open('unix://' .. path)
      assert.is_nil(listener)
      assert.equal('ALREADY_EXISTS', code)
      assert.equal('precious', assert(io.open(path)):read('*a'))
    end)
  end)
end)
