-- SPDX-License-Identifier: MIT
-- Messages of stock Dubbo peers, recorded from 2.7 and 3.2, and what is wrong with others.
local c = require 'spec.support.c'
local ffi = require 'ffi'
local p = require 'spec.support.protocol'
local peers = require 'spec.support.golden.dubbo'

local lib = c.cdef('protocol/serializer/builtin.h', 'base/err.h')
local json = lib.peri_serializer_by_name 'json'
local limits = ffi.new('peri_value_limits', 64, 2 ^ 20, 2 ^ 16, 8 * 2 ^ 20)
local hear = p.hear
local UP, DOWN, END, NOT_RUN = p.UP, p.DOWN, 1, 4
local ARGUMENTS, PLAIN = 250, 32
local HEARTBEAT = '\xDA\xBB\xE2\0' .. ('\0'):rep(7) .. '\5\0\0\0\1N'
local READONLY = '\xDA\xBB\xA2\0' .. ('\0'):rep(8) .. '\0\0\0\2\1R'

local golden, with_id, with_body = peers.messages, peers.with_id, peers.with_body

local function as_json(id, body)
  local out, err = c.buf(), ffi.new 'peri_err'
  local from = lib.peri_serializer_by_id(id)
  local rc = lib.peri_serializer_transcode(from, c.bytes(body), json, limits, out, err)
  return rc == 0 and c.string(out) or nil, ffi.string(err.text)
end

describe('protocol/dubbo', function()
  local rig

  after_each(function()
    if rig then
      assert.equal(0, rig:free())
      rig = nil
    end
  end)

  -- What a client hears of an answer to its call.
  local function answer(message)
    rig = p.rig { protocol = 'dubbo' }
    rig:open { iface = 'demo.Probe', alias = 'prod' }
    local id = rig:expect(UP)
    rig:emit(UP, { type = 'OPEN', flags = END, stream = id, iface = 'i', method = 'm' })
    rig:pump():news(UP)
    rig:send(DOWN, with_id(message, id)):pump()
    local heard = rig:news(UP)
    rig:free()
    rig = nil
    return heard
  end

  describe('requests of stock consumers', function()
    for _, version in ipairs { '2', '3' } do
      local function request(name)
        return golden[version .. '.' .. name .. '.request']
      end

      it('are calls, from ' .. version .. '.x', function()
        local heard = hear(request 'hello')
        assert.truthy(heard:find('^OPEN %d+ flags=1 '))
        assert.truthy(heard:find('iface=demo.Probe alias=prod method=sayHello', 1, true))
        assert.equal('["moon"]', as_json(ARGUMENTS, request('hello'):sub(17)))
        assert.equal('[]', as_json(ARGUMENTS, request('void'):sub(17)))
        local person = assert(as_json(ARGUMENTS, request('object'):sub(17)))
        assert.truthy(person:find('"age":36', 1, true))
      end)

      it('name method and arguments when they are generic, from ' .. version .. '.x', function()
        for _, name in ipairs { 'generic', 'generic_async' } do
          assert.truthy(hear(request(name)):find('method=sayHello', 1, true))
          assert.equal('["moon"]', as_json(ARGUMENTS, request(name):sub(17)))
        end
      end)

      it('are the same byte by byte, from ' .. version .. '.x', function()
        local message = request 'object'
        assert.equal(hear(message), (hear(message, 1)))
      end)

      it('are answered or waited for when cut anywhere, from ' .. version .. '.x', function()
        local message = request 'hello'
        local body = message:sub(17)
        for n = 0, #message - 1 do
          assert.equal('', (hear(message:sub(1, n))))
        end
        for n = 0, #body - 1 do
          local heard, said = hear(with_body(message, body:sub(1, n)))
          -- Without any attachment it is a request still.
          if heard == '' then
            assert.equal(40, said:byte(4))
          else
            assert.truthy(heard:find '^OPEN')
          end
        end
      end)
    end
  end)

  describe('responses of stock providers', function()
    for _, version in ipairs { '2', '3' } do
      it('are results, from ' .. version .. '.x', function()
        local heard = answer(golden[version .. '.hello.response'])
        assert.truthy(heard:find('DONE 1 OK.-ser=' .. PLAIN .. '.-body=.-Hi moon'))
        assert.falsy(heard:find 'attachments=[1-9]')
        assert.truthy(answer(golden[version .. '.void.response']):find '^DONE 1 OK')
      end)

      it('spoil no more than their call when cut, from ' .. version .. '.x', function()
        local message = golden[version .. '.object.response']
        local body = message:sub(17)
        for n = 0, #body - 1 do
          local heard = answer(with_body(message, body:sub(1, n)))
          assert.truthy(heard:find '^DONE 1 %u+')
          assert.falsy(heard:find 'CLOSED')
        end
      end)
    end

    it('are exceptions with their text', function()
      local heard = answer(golden['2.exception.response'])
      assert.equal('DONE 1 UNKNOWN message=no luck', heard:match '^DONE 1 UNKNOWN message=no luck')
    end)

    it('carry attachments', function()
      local map = 'H\5color\4blue\5dubbo\0052.0.2Z'
      local heard = answer(with_body(golden['2.hello.response'], '\x94\2hi' .. map))
      assert.truthy(heard:find 'OK.-attachments=24.-body=.-hi')
    end)
  end)

  it('reads every status', function()
    local codes = {
      [25] = 'BAD_REQUEST',
      [30] = 'TIMEOUT',
      [31] = 'TIMEOUT',
      [35] = 'CLOSED',
      [40] = 'BAD_REQUEST',
      [50] = 'PROTOCOL',
      [60] = 'NO_SERVICE flags=1',
      [70] = 'INTERNAL',
      [80] = 'UNAVAILABLE',
      [90] = 'BAD_REQUEST',
      [100] = 'OVERLOADED flags=1',
      [7] = 'PROTOCOL',
    }
    for status, code in pairs(codes) do
      local message = '\xDA\xBB\2' .. string.char(status) .. ('\0'):rep(12)
      local heard = answer(with_body(message, '\3why'))
      assert.truthy(heard:find('^DONE 1 ' .. code .. ' .-message=why'), heard)
    end
  end)

  describe('answers', function()
    local function reply(fields, version)
      rig = p.rig { protocol = false, limits = { frame = 4200 } }
      local message = golden['2.hello.request']
      if version then
        message = with_body(message, (message:sub(17):gsub('^\0052%.0%.2', version)))
      end
      rig:send(UP, with_id(message, 7)):pump()
      fields.type, fields.stream, fields.flags = 'REPLY', 7, (fields.flags or 0) + END
      fields.serializer = fields.serializer or PLAIN
      rig:emit(DOWN, fields)
      rig:pump()
      local said = rig:wire(DOWN)
      rig:free()
      rig = nil
      assert.equal(#said - 16, said:byte(15) * 256 + said:byte(16))
      return said:byte(4), said:sub(17)
    end

    it('with a value, nothing, or attachments where the peer reads them', function()
      local map = '\x81\xA1k\xA1v'
      local function answered(fields, version)
        fields.attachments, fields.attachments_ser = fields.attachments, 111
        local status, body = reply(fields, version)
        assert.equal(20, status)
        return body
      end
      assert.equal('\x91\2hi', answered { body = '\2hi' })
      assert.equal('\x92', answered {})
      assert.equal('\x94\2hiH\1k\1vZ', answered { body = '\2hi', attachments = map })
      assert.equal('\x95H\1k\1vZ', answered { attachments = map })
      for _, old in ipairs { '\0052.0.1', '\0052.5.3', '\0052.6.2', '\0052.8.0', '\0062.0.10' } do
        assert.equal('\x91\2hi', answered({ body = '\2hi', attachments = map }, old))
      end
      for _, new in ipairs { '\0052.0.2', '\0052.0.9', '\0052.6.3', '\0052.7.0', '\0053.2.1' } do
        assert.equal('\x94', answered({ body = '\2hi', attachments = map }, new):sub(1, 1))
      end
    end)

    it('with an exception where the service failed, a status where it was not run', function()
      local status, body = reply { code = lib.PERI_ENOT_FOUND, message = 'no moon' }
      assert.equal(20, status)
      assert.equal('\x90C0!org.apache.dubbo.rpc.RpcException\x93', body:sub(1, 38))
      assert.truthy(body:find('no moon', 1, true))
      status, body = reply { code = lib.PERI_EOVERLOADED, message = 'later', flags = NOT_RUN }
      assert.equal(100, status)
      assert.equal('\17OVERLOADED: later', body)
      assert.equal(60, (reply { code = lib.PERI_ENO_METHOD, flags = NOT_RUN }))
      assert.equal(31, (reply { code = lib.PERI_ETIMEOUT }))
      -- What is cut ends with a whole character.
      local long = ('x'):rep(4085) .. '\195\169'
      status, body = reply { code = lib.PERI_ESHUTDOWN, message = long, flags = NOT_RUN }
      assert.equal(80, status)
      assert.truthy(body:find('SHUTDOWN: xx', 1, true) and body:find('xx$'))
    end)

    it('with what generic consumers know, who have no classes of a service', function()
      local thrown = 'C\9demo.Gone\x91\4code\x60\x97'
      local function answered(version, kind, fields)
        rig = p.rig { protocol = false }
        rig:send(UP, with_id(golden[version .. kind], 7)):pump()
        local serializer = tonumber(rig:heard(DOWN):match 'ser=(%d+)')
        fields.type, fields.stream, fields.flags, fields.serializer = 'REPLY', 7, END, serializer
        rig:emit(DOWN, fields)
        rig:pump()
        local said = rig:wire(DOWN):sub(17)
        rig:free()
        rig = nil
        return said
      end
      for _, version in ipairs { '2.', '3.' } do
        local function failure(kind)
          local fields = { code = lib.PERI_ENOT_FOUND, message = 'no moon', body = thrown }
          return answered(version, kind, fields)
        end
        -- As Java's providers of either version throw it.
        local head = '\x90C0.com.alibaba.dubbo.rpc.service.GenericException\x93'
          .. '\14exceptionClass\16exceptionMessage\13detailMessage\x60'
        for _, kind in ipairs { 'generic.request', 'generic_async.request' } do
          assert.equal(head .. '\9demo.Gone\7no moon\18demo.Gone: no moon', failure(kind))
          -- Of the exception itself, as an object, and as a map of its fields.
          local own = { code = lib.PERI_ENOT_FOUND, message = 'no moon' }
          own.body = 'C\9demo.Gone\x92\4code\13detailMessage\x60\x97\4gone'
          assert.equal(head .. '\9demo.Gone\4gone\15demo.Gone: gone', answered(version, kind, own))
          own.body = 'H\5class\9demo.Gone\4code\x97\13detailMessage\4goneZ'
          assert.equal(head .. '\9demo.Gone\4gone\15demo.Gone: gone', answered(version, kind, own))
          own.body = 'H\5classR\0\5demo.\4Gone\13detailMessageR\0\2go\2neZ' -- in pieces
          assert.equal(head .. '\9demo.Gone\4gone\15demo.Gone: gone', answered(version, kind, own))
          -- Nor have they the exception of any other failure.
          local class = '\x30\33org.apache.dubbo.rpc.RpcException'
          local bare = { code = lib.PERI_ENOT_FOUND, message = 'no moon' }
          assert.equal(
            head .. class .. '\7no moon\x30\42org.apache.dubbo.rpc.RpcException: no moon',
            answered(version, kind, bare)
          )
        end
        -- Others get it as it is, and beside it what our own peers read.
        local named = 'H\14perilune.error\18NOT_FOUND: no moonZ'
        assert.equal('\x93' .. thrown .. named, failure 'hello.request')
      end
      local old = { code = lib.PERI_ENOT_FOUND, message = 'no moon', body = thrown }
      local _, body = reply(old, '\0052.0.1')
      assert.equal('\x90' .. thrown, body)
    end)

    it('with an exception and beside it code and message, which are taken from there', function()
      local function told(attachments)
        rig = p.rig { protocol = 'dubbo' }
        assert(rig:open { iface = 'demo.Probe', alias = 'prod' })
        local id = rig:expect(UP)
        rig:emit(UP, { type = 'OPEN', flags = 1, stream = id, iface = 'i', method = 'm' })
        local thrown = 'C\9demo.Gone\x91\13detailMessage\x60\4text'
        local body = '\x93' .. thrown .. 'H' .. attachments .. 'Z'
        rig:send(DOWN, with_body(with_id('\xDA\xBB\2\20' .. ('\0'):rep(8), id), body)):pump()
        local heard = rig:heard(UP)
        rig:free()
        rig = nil
        return (heard:match('^DONE %d+ (.-) ser='):gsub(' attachments=.*', ''))
      end
      local NAME = '\14perilune.error'
      assert.equal('NOT_FOUND message=no moon', told(NAME .. '\18NOT_FOUND: no moon'))
      assert.equal('NOT_FOUND message=no moon', told('\1k\1v' .. NAME .. '\18NOT_FOUND: no moon'))
      -- Neither of ASCII, nor the only text that is not.
      local moon = '\13NOT_FOUND: \237\160\188\237\188\153'
      assert.equal(
        'NOT_FOUND message=\240\159\140\153',
        told(NAME .. moon .. '\1k' .. moon:gsub('^.', '\13'))
      )
      for _, nothing in ipairs {
        '',
        '\5dubbo\0052.0.2',
        NAME .. '\2NO',
        NAME .. '\x91',
        NAME .. '\6NO: no',
      } do
        assert.equal('UNKNOWN message=text', told(nothing))
      end
      assert.equal('PROTOCOL', (told(NAME .. '\x1F'):match '%u+'))
    end)

    it('with a reason that repeats a part of what came', function()
      local message = golden['2.hello.request']
      local types = '0\42((' .. ('月'):rep(40) -- more than is repeated, cut within a character
      local body, count = message:sub(17):gsub('\18Ljava/lang/String;', types, 1)
      assert.equal(1, count)
      local heard, said = hear(with_body(message, body))
      assert.equal('', heard)
      assert.equal(40, said:byte(4))
      assert.truthy(said:find('月??' .. "' is no list of parameter types", 1, true), said)
    end)

    it('whose status stands for several codes, with the one that is meant', function()
      local function told(status, text)
        rig = p.rig { protocol = 'dubbo' }
        assert(rig:open { iface = 'demo.Probe', alias = 'prod' })
        local id = rig:expect(UP)
        rig:emit(UP, { type = 'OPEN', flags = 1, stream = id, iface = 'i', method = 'm' })
        local message = '\xDA\xBB\2' .. string.char(status) .. ('\0'):rep(8)
        local body = 'S' .. string.char(math.floor(#text / 256), #text % 256) .. text
        rig:send(DOWN, with_body(with_id(message, id), body)):pump()
        local heard = rig:heard(UP)
        rig:free()
        rig = nil
        return heard:match '^DONE %d+ (.-) ser='
      end
      assert.equal('NO_METHOD flags=1 message=no such', told(60, 'NO_METHOD: no such'))
      assert.equal('NO_SERVICE flags=1 message=no such', told(60, 'no such'))
      assert.equal('UNAVAILABLE message=down', told(80, 'down'))
      assert.equal('SHUTDOWN flags=1 message=down', told(80, 'SHUTDOWN: down'))
      assert.equal('NO_SERVICE flags=1 message=SHUTDOWN: down', told(60, 'SHUTDOWN: down'))
      assert.equal('NO_SERVICE flags=1 message=NO_METHOD:', told(60, 'NO_METHOD:'))
      assert.equal('TIMEOUT message=late', told(31, 'TIMEOUT: late'))
      -- Java's own words.
      local missing = 'org.apache.dubbo.remoting.RemotingException: Not found exported service: x'
      assert.equal('NO_SERVICE flags=1 message=' .. missing, told(70, missing .. '\n\tat y'))
      local no_method = 'org.apache.dubbo.rpc.RpcException: No such method nowhere in class'
      assert.equal('NO_METHOD flags=1 message=' .. no_method, told(70, no_method))
      assert.equal(
        'NO_METHOD flags=1 message=demo.Probe.nowhere() (no such method)',
        told(70, 'demo.Probe.nowhere()\nCaused by: java.lang.NoSuchMethodException: x')
      )
      assert.matches('^NO_SERVICE flags=1 .* %(Dubbo 2.7 ', told(40, 'Service not found:a, b'))
      assert.matches(
        '^BAD_REQUEST flags=1 .* %(Dubbo 3 says so where it has no such service, method or',
        told(40, 'Fail to decode request due to: [methodName=m, parameterTypes=null]')
      )
      assert.equal('BAD_REQUEST message=oops', told(40, 'oops'))
      assert.equal('INTERNAL message=oops', told(70, 'oops'))
    end)

    it('with an error when the result cannot be encoded or is too large', function()
      local status, body = reply { body = '"', serializer = 13 }
      assert.equal(20, status)
      assert.truthy(body:find('the result cannot be encoded', 1, true))
      status, body = reply { body = ('"%s"'):format(('x'):rep(5000)), serializer = 13 }
      assert.equal(20, status)
      assert.truthy(body:find('the result is over frame_size', 1, true))
    end)
  end)

  it('names the group and the version of a service as its alias', function()
    local message = golden['2.hello.request']
    local function alias(group, version)
      local body = message:sub(17)
      body = body:gsub('\0050%.0%.0\8say', version .. '\8say')
      body = body:gsub('\5group\4prod', group)
      return hear(with_body(message, body)):match 'iface=demo.Probe alias=(%S*) method' or ''
    end
    assert.equal('prod', alias('\5group\4prod', '\0050.0.0'))
    assert.equal('prod:1.2', alias('\5group\4prod', '\0031.2'))
    assert.equal(':1.2', alias('', '\0031.2'))
    rig = p.rig { protocol = 'dubbo' }
    rig:emit(UP, {
      type = 'OPEN',
      flags = END,
      stream = 1,
      iface = 'demo.Probe',
      alias = 'prod:1.2',
      method = 'm',
      timeout_ms = 250,
    })
    rig:pump()
    assert.truthy(rig:heard(DOWN):find('timeout=250.-alias=prod:1.2'))
  end)

  it('sends its own attachments behind those that a call may have from another one', function()
    local function heard(attachments)
      rig = p.rig { protocol = 'dubbo' }
      rig:emit(UP, {
        type = 'OPEN',
        flags = END,
        stream = 1,
        iface = 'demo.Probe',
        alias = 'prod',
        method = 'm',
        timeout_ms = 250,
        attachments = attachments,
        attachments_ser = 111,
      })
      rig:pump()
      local said, news = rig:wire(UP), rig:heard(DOWN)
      rig:free()
      rig = nil
      return news, said
    end
    local foreign = '\x83\xA9interface\xA6demo.A\xA5group\xA4test\xA7timeout\xA15'
    local news = heard(foreign)
    assert.truthy(news:find 'iface=demo.Probe alias=prod ', news)
    local _, said = heard '\x81\xA7generic\xC3' -- nobody told the types
    assert.truthy(said:find('\7genericT.-\7generic\10raw%.returnZ$'))
  end)

  it('answers heartbeats, and is told when no more calls are taken', function()
    local heard, said = hear(HEARTBEAT)
    assert.equal('', heard)
    assert.equal('\xDA\xBB\x22\x14' .. ('\0'):rep(7) .. '\5\0\0\0\1N', said)
    rig = p.rig { protocol = 'dubbo' }
    rig:emit(UP, { type = 'PING', stream = 1 })
    rig:pump():send(DOWN, HEARTBEAT):pump()
    assert.equal('\xDA\xBB\x22\x14', rig:wire(UP):sub(-17, -14))
    rig:send(DOWN, READONLY):pump()
    assert.equal('DRAINED\n', rig:heard(UP))
  end)

  it('lets a consumer be silent until its first heartbeat, and not for ever', function()
    local function silent(options)
      rig = p.rig { protocol = false, limits = options }
      return rig
    end
    silent({ first_byte_ms = 3000 }):advance(100000):send(UP, HEARTBEAT):pump()
    assert.equal('', rig:heard(DOWN))
    assert.equal('\xDA\xBB\x22\x14', rig:wire(DOWN):sub(1, 4))
    assert.equal(0, rig:free())
    silent({ first_byte_ms = 3000 }):advance(178000)
    assert.equal('', rig:heard(DOWN))
    rig:advance(4000)
    assert.equal('CLOSED TIMEOUT\n', rig:heard(DOWN))
    assert.equal(0, rig:free())
    silent({ first_byte_ms = 3000 }):advance(100000):send(UP, '\xDA'):advance(5000)
    assert.equal('CLOSED TIMEOUT\n', rig:heard(DOWN))
    assert.equal(0, rig:free())
    local first = silent { first_byte_ms = 3000, silent = 1 }
    first:advance(5000)
    local second = silent { first_byte_ms = 3000, silent = 1 }
    second:advance(5000)
    assert.equal('', first:heard(DOWN))
    assert.equal('CLOSED TIMEOUT\n', second:heard(DOWN))
    assert.equal(0, first:free())
  end)

  it('refuses serializations it does not read, and says which it does', function()
    local message = golden['3.hello.request']
    local heard, said = hear(message:sub(1, 2) .. '\xD7' .. message:sub(4))
    assert.equal('', heard)
    assert.equal(40, said:byte(4))
    assert.truthy(
      said:find('serialization 23 (fastjson2) is not spoken here: use hessian2', 1, true)
    )
  end)

  it('bears any length', function()
    local message = golden['2.hello.request']
    local function of(length)
      return hear(message:sub(1, 12) .. length .. message:sub(17))
    end
    assert.truthy(of('\0\0\0\0'):find 'CLOSED PROTOCOL')
    for _, length in ipairs { '\xFF\xFF\xFF\xFF', '\x7F\xFF\xFF\xFF' } do
      assert.equal('CLOSED TOO_BIG\n', (of(length)))
    end
  end)

  it('bears any byte', function()
    local message = golden['3.object.request']
    for at = 17, #message do
      for _, byte in ipairs { '\0', '\x51', '\x56', '\x7F', '\xFF' } do
        hear(message:sub(1, at - 1) .. byte .. message:sub(at + 1))
      end
    end
  end)

  it('writes the declared types of arguments, or calls by name', function()
    rig = p.rig { protocol = 'dubbo' }
    local types =
      '\x96\xA3int\xA2[B\xAAdemo.Thing\xAEjava.lang.Long\xA6long[]\xB3[Ljava.lang.String;'
    local fields = { type = 'OPEN', flags = END, stream = 1, iface = 'i', method = 'm' }
    local event = rig:event(fields)
    event.args_type = c.bytes(types)
    rig:conn(UP).protocol.emit(rig:conn(UP), event)
    rig:emit(UP, fields)
    rig:pump()
    local said = rig:wire(UP)
    assert.truthy(said:find('I[BLdemo/Thing;Ljava/lang/Long;[J[Ljava/lang/String;', 1, true))
    assert.truthy(said:find('\7$invoke', 1, true))
    assert.truthy(said:find('\7generic\nraw.return', 1, true))
  end)
end)
