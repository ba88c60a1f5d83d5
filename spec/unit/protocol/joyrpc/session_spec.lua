-- SPDX-License-Identifier: MIT
local ffi = require 'ffi'
local c = require 'spec.support.c'
local frames_of = require 'spec.support.frames'
local p = require 'spec.support.protocol'

local lib = c.cdef('protocol/joyrpc/joyrpc.h', 'protocol/joyrpc/opening.h')
local UP, DOWN = p.UP, p.DOWN
local frame, u32 = frames_of.frame, frames_of.u32

local function count(text, what)
  local n = 0
  for _ in text:gmatch((what:gsub('%p', '%%%0'))) do
    n = n + 1
  end
  return n
end

-- Frames of a type in what a side sent.
local function frames(wire, type)
  local n, at = 0, 1
  while at <= #wire do
    local a, b, d, e = wire:byte(at + 2, at + 5)
    n = n + (wire:byte(at + 8) == type and 1 or 0)
    at = at + 2 + ((a * 256 + b) * 256 + d) * 256 + e
  end
  return n
end

describe('protocol/joyrpc sessions', function()
  local rig

  local function start(options)
    rig = p.rig(options)
    return rig
  end

  local function name(object)
    return ffi.string(object.name)
  end

  after_each(function()
    assert.equal(0, rig:free())
    rig = nil
  end)

  it('are negotiated in Hessian; two of ours recognise each other and prefer msgpack', function()
    local session = start():open { iface = 'demo.Greeter', alias = 'prod' }
    assert.equal('msgpack', name(session.serializer))
    assert.is_true(session.native and session.authenticated)
    assert.is_true(rig:conn(UP).native and rig:conn(DOWN).native)
    assert.equal('SESSION 1 iface=demo.Greeter alias=prod ser=msgpack native=1\n', rig:heard(DOWN))
    assert.is_true(session.remote_start_ms > 0)
    local there = rig:server_session(1)
    assert.equal('demo.Greeter', ffi.string(there.iface))
    assert.equal(90000, there.timeout_ms)
  end)

  for _, serializer in ipairs { 'json', 'raw', 'msgpack' } do
    it('use ' .. serializer .. ' when asked', function()
      local session = start():open { iface = 'i', alias = 'a', serializer = serializer }
      assert.equal(serializer, name(session.serializer))
      assert.equal(serializer, name(rig:server_session(1).serializer))
    end)
  end

  for _, compression in ipairs { 'lz4', 'zstd', 'zlib', 'snappy' } do
    it('agree on ' .. compression, function()
      local session = start():open { iface = 'i', alias = 'a', compression = compression }
      assert.equal(compression, name(session.compression))
      assert.equal(compression, name(rig:server_session(1).compression))
    end)
  end

  it('never name a private id in a standard field', function()
    start():open { iface = 'i', alias = 'a', serializer = 'raw', compression = 'zstd' }
    local standard = rig:wire(UP):match('^.-attributesH')
    for _, private in ipairs { 'raw', 'msgpack', 'zstd' } do
      assert.falsy(standard:find(private, 1, true))
    end
  end)

  it('refuse names that nobody registered before anything is sent', function()
    local _, code = start():open { iface = 'i', alias = 'a', serializer = 'morse' }
    assert.equal(lib.PERI_ECONFIG, code)
    _, code = rig:open { iface = 'i', alias = 'a', compression = 'morse' }
    assert.equal(lib.PERI_ECONFIG, code)
    _, code = rig:open { iface = '', alias = 'a' }
    assert.equal(lib.PERI_ECONFIG, code)
    assert.equal('', rig:wire(UP))
  end)

  it('send the attributes asked for', function()
    start():open { iface = 'i', alias = 'a', attributes = { 'appName', 'shop' } }
    assert.truthy(rig:wire(UP):find('appName\4shop', 1, true))
    assert.truthy(c.string(rig:server_session(1).attributes):find('shop', 1, true))
  end)

  it('with a stock consumer choose what both know, in its order, and nothing of ours', function()
    start { protocol = false }
    rig
      :send(
        UP,
        frame(
          8,
          7,
          '{"serialization":"kryo","compression":null,"checksum":null,'
            .. '"serializations":["kryo","json","msgpack"],"compressions":["lz4"],'
            .. '"attributes":{"interface":"demo.S","alias":"x","sessionTimeout":"60000"}}'
        )
      )
      :pump()
    assert.equal('SESSION 7 iface=demo.S alias=x ser=json native=0\n', rig:heard(DOWN))
    local answer = rig:wire(DOWN)
    assert.equal(9, answer:byte(9))
    assert.truthy(answer:find('"serialization":"json"', 1, true))
    assert.truthy(answer:find('"serializations":["json"]', 1, true))
    assert.truthy(answer:find('"status":0', 1, true))
    assert.falsy(answer:find('perilune', 1, true))
    assert.equal(60000, rig:server_session(7).timeout_ms)
  end)

  local refused = {
    ['no common serialization'] = {
      7,
      '"serializations":["kryo"],"attributes":{"interface":"i"}',
      'serialization',
    },
    ['a private serialization without perilune=1'] = {
      7,
      '"serialization":"raw","serializations":["raw"],"attributes":{"interface":"i"}',
      'serialization',
    },
    ['private names of a peer that is not ours'] = {
      7,
      '"serializations":[],"attributes":{"interface":"i","perilune.serialization":"raw"}',
      'serialization',
    },
    ['an unknown compression'] = {
      7,
      '"compression":"lzo","serializations":["json"],"attributes":{"interface":"i"}',
      'compression',
    },
    ['no interface'] = { 7, '"serializations":["json"],"attributes":{}', 'interface' },
    ['session id 0'] = {
      0,
      '"serializations":["json"],"attributes":{"interface":"i"}',
      'session id',
    },
  }
  for why, case in pairs(refused) do
    it('are refused for ' .. why, function()
      start { protocol = false }
      rig:send(UP, frame(8, case[1], '{' .. case[2] .. '}')):pump()
      assert.equal('', rig:heard(DOWN))
      assert.truthy(rig:wire(DOWN):find('"status":1', 1, true))
      assert.truthy(rig:wire(DOWN):match('"message":"[^"]*' .. case[3]))
    end)
  end

  it('are refused by a server that is going', function()
    start():open { iface = 'i', alias = 'a' }
    lib.peri_conn_drain(rig:conn(DOWN))
    local session, code, why = rig:pump():open { iface = 'j', alias = 'a' }
    assert.is_nil(session)
    assert.equal(lib.PERI_ESHUTDOWN, code)
    assert.equal('Server is shutdown.', why)
  end)

  it('are limited per connection', function()
    start { limits = { sessions = 2 } }
    assert.truthy(rig:open { iface = 'i', alias = 'a' })
    assert.truthy(rig:open { iface = 'j', alias = 'a' })
    local session, code = rig:open { iface = 'k', alias = 'a' }
    assert.is_nil(session)
    assert.equal(lib.PERI_EPRECONDITION, code)
  end)

  it('are found whichever was used last', function()
    start()
    for i = 1, 5 do
      assert.truthy(rig:open { iface = 'i' .. i, alias = 'a' })
    end
    for _, id in ipairs { 3, 1, 5, 5, 2, 4 } do
      assert.equal('i' .. id, ffi.string(rig:server_session(id).iface))
    end
    assert.is_true(rig:server_session(9) == nil)
  end)

  it('fail to open when the server stays silent, once', function()
    start { limits = { beat_ms = 0 } }
    rig.raw.side[UP].cut = 0
    rig:open { iface = 'warm', alias = 'a' }
    rig.raw.chunk = 0
    -- The relay swallows what comes now.
    rig.raw.side[UP].relayed = #rig:wire(UP) + 4096
    local calls = rig.raw.session_calls
    rig:open { iface = 'i', alias = 'a', timeout_ms = 1500 }
    assert.equal(calls, rig.raw.session_calls)
    rig.raw.side[UP].relayed = #rig:wire(UP)
    rig:advance(3000)
    assert.equal(calls + 1, rig.raw.session_calls)
    assert.equal(lib.PERI_ETIMEOUT, rig.raw.session_code)
  end)

  it('fail to open when the connection ends', function()
    start { up_drop = 10 }
    local session, code = rig:open { iface = 'i', alias = 'a' }
    assert.is_nil(session)
    assert.equal(lib.PERI_ECLOSED, code)
    assert.equal(1, rig.raw.session_calls)
  end)

  describe('authentication', function()
    local params = {
      iface = 'i',
      alias = 'a',
      auth_type = 'token',
      auth_attributes = { '.token', 'secret', 'appName', 'shop' },
    }

    it('passes', function()
      local session = start():open(params)
      assert.is_true(session.authenticated)
      assert.truthy(rig:heard(DOWN):find('AUTHENTICATE 1 type=token attributes=', 1, true))
      assert.is_true(rig:server_session(1).authenticated)
      assert.truthy(rig:wire(UP):find('".token":"secret"', 1, true))
    end)

    it("fails with the server's reason", function()
      start()
      rig.raw.authenticate = lib.PERI_EUNAUTHENTICATED
      local session, code, why = rig:open(params)
      assert.is_nil(session)
      assert.equal(lib.PERI_EUNAUTHENTICATED, code)
      assert.equal('not authenticated', why)
      assert.is_false(rig:server_session(1).authenticated)
    end)

    it('may be answered later', function()
      start()
      rig.raw.authenticate = 1 -- PERI_AGAIN
      assert.is_nil((rig:open(params)))
      assert.equal(0, rig.raw.session_calls)
      local conn = rig:conn(DOWN)
      conn.protocol.authenticated(conn, 1, rig.raw.auth_request, true, nil)
      rig:pump()
      assert.equal(1, rig.raw.session_calls)
      assert.is_true(rig.raw.session.authenticated)
    end)

    it('is read in Protostuff, and answered in what the session speaks', function()
      local golden, hex = require 'spec.support.golden.joyrpc', require 'spec.support.hex'
      start({ protocol = false }):send(UP, hex.decode(golden.java_negotiation)):pump()
      rig:send(UP, hex.decode(golden.protostuff_authentication)):pump()
      -- interface, .token, and two that have no value
      assert.truthy(rig:heard(DOWN):find('AUTHENTICATE 1 type=token attributes=57', 1, true))
      assert.is_true(rig:server_session(1).authenticated)
      assert.equal(1, frames(rig:wire(DOWN), 18))
      local answer = rig:wire(DOWN):match 'AuthenticationResponse.*$'
      assert.truthy(answer:find('status\x90', 1, true)) -- in Hessian
    end)

    it('of a session in Protostuff goes in Hessian', function()
      start()
      local session = rig:open { iface = 'i', alias = 'a' }
      session.native = false
      session.serializer = lib.peri_serializer_by_id(14)
      assert.equal(2, lib.joy_auth_serializer(session).id)
      session.serializer = lib.peri_serializer_by_id(13)
      assert.equal(13, lib.joy_auth_serializer(session).id)
    end)

    it('without a session is refused', function()
      start { protocol = false }
      rig:send(UP, frame(17, 5, '{"type":"token","attributes":{}}')):pump()
      assert.equal(18, rig:wire(DOWN):byte(9))
      assert.truthy(rig:wire(DOWN):find('"status":1', 1, true))
    end)
  end)

  describe('by the clock', function()
    it('stay while the client beats', function()
      start():open { iface = 'i', alias = 'a' }
      rig:advance(200000)
      assert.equal(8, frames(rig:wire(UP), 14))
      -- Every 10 s, late by the step of this clock and by rounding to shared wake-ups.
      local beats = frames(rig:wire(UP), 10)
      assert.is_true(beats >= 17 and beats <= 20)
      assert.equal(beats, frames(rig:wire(DOWN), 11))
      assert.falsy(rig:server_session(1) == nil)
      assert.falsy(rig:heard(UP):find 'CLOSED')
    end)

    it('are evicted when it does not', function()
      start { protocol = false }
      rig:send(
        UP,
        frame(
          8,
          7,
          '{"serializations":["json"],"attributes":{"interface":"i","sessionTimeout":20000}}'
        )
      )
      rig:advance(15000)
      rig:send(UP, frame(14, 7, '{}')):advance(15000)
      assert.falsy(rig:server_session(7) == nil)
      rig:advance(10000)
      assert.is_true(rig:server_session(7) == nil)
      assert.equal(0, rig:conn(DOWN).session_count)
    end)

    it('stay in memory while a call is open', function()
      start { protocol = false }
      rig:send(
        UP,
        frame(
          8,
          7,
          '{"serializations":["json"],"attributes":{"interface":"i","sessionTimeout":20000}}'
        )
      )
      rig:pump()
      local session = rig:server_session(7)
      rig.raw.used_session = 7
      rig:conn(DOWN).calls_open = 1
      rig:advance(30000)
      assert.is_true(rig:server_session(7) == nil)
      assert.equal(7, session.id)
      rig:conn(DOWN).calls_open = 0
      rig:advance(3000)
      assert.equal(0, rig:conn(DOWN).session_count)
    end)

    it('stay in memory for their own calls only, as the owner says', function()
      start { protocol = false }
      for id = 7, 9 do
        rig:send(
          UP,
          frame(
            8,
            id,
            '{"serializations":["json"],"attributes":{"interface":"i","sessionTimeout":20000}}'
          )
        )
      end
      rig:pump()
      assert.equal(3, rig:conn(DOWN).session_count)
      rig.raw.used_session = 8
      rig:conn(DOWN).calls_open = 1
      rig:advance(30000)
      assert.equal(1, rig:conn(DOWN).session_count)
      rig:conn(DOWN).calls_open = 0
      rig:advance(3000)
      assert.equal(0, rig:conn(DOWN).session_count)
    end)

    it('any byte of the server is a sign of life; three silent beats are the end', function()
      start():open { iface = 'i', alias = 'a' }
      local id = rig:expect(UP)
      rig.raw.side[DOWN].relayed = #rig:wire(DOWN) + 1e6 -- swallowed
      rig:advance(25000)
      assert.falsy(rig:heard(UP):find 'CLOSED')
      rig:advance(20000)
      assert.equal(('DONE %d CLOSED\nCLOSED TIMEOUT\n'):format(id), rig:heard(UP))
      rig.raw.side[DOWN].relayed = #rig:wire(DOWN)
    end)
  end)

  describe('and goodbyes', function()
    local NOTICE = require('spec.support.golden.joyrpc').offline:gsub(' ', '')

    -- A JoyRPC client with a session, and what the server sends to it from then on.
    local function beside_joyrpc()
      start { protocol = false }
      rig:send(UP, frame(8, 7, '{"serializations":["json"],"attributes":{"interface":"i"}}')):pump()
      local before = #rig:wire(DOWN)
      return function()
        rig:pump()
        return (
          rig:wire(DOWN):sub(before + 1):gsub('.', function(char)
            return ('%02x'):format(char:byte())
          end)
        )
      end
    end

    local function ask()
      rig:send(UP, frame(1, 7, '{"methodName":"m","args":[]}')):pump()
    end

    -- Without an answer to wait for it would close before its cluster knows.
    it(
      'a JoyRPC client gets the 24 bytes of the offline notice before its next call is read',
      function()
        local sent = beside_joyrpc()
        ask()
        rig:news(DOWN)
        lib.peri_conn_drain(rig:conn(DOWN))
        lib.peri_conn_drain(rig:conn(DOWN))
        assert.equal('', sent())
        ask()
        assert.equal(NOTICE, sent())
        ask()
        assert.equal('', rig:news(DOWN))
        rig:advance(49)
        assert.equal('', rig:news(DOWN))
        rig:advance(1)
        assert.equal(2, count(rig:news(DOWN), 'OPEN'))
        ask()
        assert.equal(1, count(rig:news(DOWN), 'OPEN'))
        rig:advance(1000)
        assert.equal(NOTICE, sent())
      end
    )

    it('one that does not call gets it after a while', function()
      local sent = beside_joyrpc()
      lib.peri_conn_drain(rig:conn(DOWN))
      rig:advance(299)
      assert.equal('', sent())
      rig:advance(1)
      assert.equal(NOTICE, sent())
      ask()
      assert.equal(1, count(rig:heard(DOWN), 'OPEN'))
      rig:advance(1000)
      assert.equal(NOTICE, sent())
    end)

    it('one of ours is told the last call; what comes after is refused unrun', function()
      local session = start():open { iface = 'i', alias = 'a' }
      local function call()
        local id = rig:expect(UP)
        rig:emit(UP, {
          type = 'OPEN',
          flags = 1,
          stream = id,
          session = session,
          method = 'm',
          serializer = 111,
        })
        return id
      end
      local first = call()
      rig:pump()
      lib.peri_conn_drain(rig:conn(DOWN))
      local second = call() -- crosses the notice
      rig:pump()
      assert.equal(1, count(rig:heard(DOWN), 'OPEN'))
      assert.truthy(rig:heard(UP):find(('DONE %d SHUTDOWN flags=1'):format(second), 1, true))
      assert.truthy(rig:heard(UP):find('DRAINED\nGOAWAY ' .. first, 1, true))
      rig:emit(
        DOWN,
        { type = 'REPLY', stream = first, session = rig:server_session(1), serializer = 111 }
      )
      rig:pump()
      assert.truthy(rig:heard(UP):find(('DONE %d OK'):format(first), 1, true))
    end)

    it('calls above the last one are known not to have run when the connection ends', function()
      start():open { iface = 'i', alias = 'a' }
      local ids = { rig:expect(UP), rig:expect(UP) }
      rig:emit(DOWN, { type = 'GOAWAY', stream = ids[1] })
      rig:pump()
      lib.peri_conn_close(rig:conn(DOWN), 0)
      rig:pump()
      assert.truthy(rig:heard(UP):find(('DONE %d CLOSED\n'):format(ids[1]), 1, true))
      assert.truthy(rig:heard(UP):find(('DONE %d CLOSED flags=1\n'):format(ids[2]), 1, true))
    end)
  end)

  it('a cancelled call never looks like a success', function()
    start():open { iface = 'i', alias = 'a' }
    for _, status in ipairs { '\0', '', '\200' } do
      local id = rig:expect(UP)
      local cancel = frame(102, 1, status):gsub('^(.........)....', '%1' .. u32(id))
      rig:send(DOWN, cancel):pump()
      assert.equal(('DONE %d CANCELLED ser=13\n'):format(id), rig:news(UP))
    end
  end)

  it('cost little: a connection with its machine stays below 400 bytes', function()
    start()
    assert.is_true(ffi.sizeof 'peri_conn' + ffi.sizeof 'joy_state' < 400)
    assert.is_true(ffi.sizeof 'peri_session' <= 160)
  end)
end)
