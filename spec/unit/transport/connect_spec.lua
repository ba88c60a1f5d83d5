-- SPDX-License-Identifier: MIT
jit.off(true, true)
local ffi = require 'ffi'
local c = require 'spec.support.c'
local folders = require 'spec.support.folders'
local t = require 'spec.support.transport'

local lib = t.lib

c.cdef 'transport/address.h'
ffi.cdef 'void freeaddrinfo(struct addrinfo *list);'

describe('transport/connect', function()
  local loop, conn, listener

  before_each(function()
    loop = t.loop()
    conn = t.conn()
    listener = nil
  end)

  after_each(function()
    if conn.channel ~= nil then
      lib.peri_channel_close(conn.channel, 0)
    end
    if listener ~= nil then
      lib.peri_listener_close(listener)
    end
    t.fini()
  end)

  local function connect(url, timeout)
    local err, text = t.err()
    local code = lib.peri_connect(loop, url, timeout or 5000, lib.peri_test_on_connected, conn, err)
    if code ~= 0 then
      assert.equal(code, err.code)
      return nil, text()
    end
    assert.equal(0, conn.data_calls)
    t.eventually(loop, function()
      return conn.data_calls == 1
    end, 'connected')
    t.turns(loop, 3)
    assert.equal(1, conn.data_calls)
    return conn.channel ~= nil, t.code_name(conn.code), t.received(conn)
  end

  local function listen(url)
    local err, text = t.err()
    listener = lib.peri_listener_open(url, nil, err)
    assert(listener ~= nil, select(2, text()))
    return ffi.string(lib.peri_listener_url(listener))
  end

  it('connects by number and by name', function()
    local url = listen('tcp://127.0.0.1:0')
    assert.is_true(connect(url))
    assert.equal(url, 'tcp://' .. ffi.string(lib.peri_channel_peer(conn.channel)))
    lib.peri_channel_close(conn.channel, 0)
    conn = t.conn()
    assert.is_true(connect('tcp://localhost:' .. url:match('%d+$')))
  end)

  it('knows localhost where the system does not', function()
    local host, err = ffi.new('peri_host'), t.err()
    assert.equal(0, lib.peri_address_host('LocalHost:80', host, err))
    local list = lib.peri_address_loopback(host)
    assert.is_true(list ~= nil)
    ffi.C.freeaddrinfo(list)
    assert.equal(0, lib.peri_address_host('localhost.example:80', host, err))
    assert.is_true(lib.peri_address_loopback(host) == nil)
  end)

  it('connects to a unix socket', function()
    assert.is_true(connect(listen('unix://' .. folders.new())))
    assert.equal('unix', ffi.string(lib.peri_channel_peer(conn.channel)))
    assert.is_true(lib.peri_channel_is_local(conn.channel))
  end)

  it('says what to do when nobody listens', function()
    local url = listen('tcp://127.0.0.1:0')
    lib.peri_listener_close(listener)
    listener = nil
    local ok, code, why = connect(url)
    assert.is_false(ok)
    assert.equal('UNAVAILABLE', code)
    assert.equal(
      ('connect to %s: connection refused; is the provider running?'):format(url:sub(7)),
      why
    )
  end)

  it('says so when a unix socket or a name does not exist', function()
    local ok, code, why = connect('unix:///nonexistent/x.sock')
    assert.is_false(ok)
    assert.equal('UNAVAILABLE', code)
    assert.matches('is the path right', why)
    conn = t.conn()
    ok, code, why = connect('tcp://no-such-host.invalid:80')
    assert.is_false(ok)
    assert.equal('UNAVAILABLE', code)
    assert.matches('^connect to no%-such%-host%.invalid:80: ', why)
  end)

  it('gives up at its deadline', function()
    lib.peri_test_clock(true)
    t.turns(loop, 1)
    local err = t.err()
    -- The resolver's answer is not awaited: the clock passes the limit first.
    assert.equal(
      0,
      lib.peri_connect(loop, 'tcp://slow.invalid:80', 50, lib.peri_test_on_connected, conn, err)
    )
    lib.peri_test_clock_advance(50)
    lib.peri_loop_turn(loop, 0)
    assert.equal(1, conn.data_calls)
    assert.is_true(conn.channel == nil)
    t.turns(loop, 3)
    assert.equal(1, conn.data_calls)
  end)

  it('refuses what is no address and says how it looks', function()
    for _, url in ipairs {
      'nonsense',
      'http://x:1',
      'tcp://localhost',
      'tcp://localhost:70000',
      'tcp://localhost:http',
      'tcp://::1:80',
      'tcp://:80',
      'tcp://127.0.0.1:0',
      'tcp://' .. ('x'):rep(300) .. ':80',
      'unix://',
      'unix:///' .. ('x'):rep(200),
      'inproc://',
    } do
      local ok, code, why = connect(url)
      assert.is_nil(ok, url)
      assert.equal('CONFIG', code)
      assert.matches('write', why)
    end
  end)

  it('finds transports by their scheme', function()
    for _, name in ipairs { 'tcp', 'unix', 'inproc' } do
      assert.equal(name, ffi.string(lib.peri_transport_by_scheme(name, #name).scheme))
    end
    assert.is_true(lib.peri_transport_by_scheme('tc', 2) == nil)
  end)

  describe('inproc', function()
    it('connects to a name on its loop', function()
      local other = t.conn()
      local err, text = t.err()
      local there = lib.peri_inproc_listen(loop, 'spec', lib.peri_test_on_accepted, other, err)
      local again = lib.peri_inproc_listen(loop, 'spec', lib.peri_test_on_accepted, other, err)
      assert.is_true(again == nil)
      assert.equal('ALREADY_EXISTS', (text()))
      assert.is_true(connect('inproc://spec'))
      assert.is_true(other.channel ~= nil)
      assert.equal('inproc', ffi.string(lib.peri_channel_peer(other.channel)))
      lib.peri_channel_close(other.channel, 0)
      lib.peri_inproc_close(there)
    end)

    it('says that nothing listens', function()
      local ok, code, why = connect('inproc://nobody')
      assert.is_false(ok)
      assert.equal('UNAVAILABLE', code)
      assert.matches('nothing listens there', why)
    end)
  end)

  it('takes no descriptor that is no socket', function()
    local fds = ffi.new('int[1]')
    local file = assert(io.open('/dev/null'))
    ffi.cdef 'int fileno(FILE *file); int dup(int fd);'
    fds[0] = ffi.C.dup(ffi.C.fileno(file))
    file:close()
    assert.is_true(lib.peri_channel_from_fd(loop, fds[0]) == nil)
  end)
end)
