-- SPDX-License-Identifier: MIT
local ffi = require 'ffi'
local c = require 'spec.support.c'
local frames = require 'spec.support.frames'
local golden = require 'spec.support.golden.joyrpc'
local hex = require 'spec.support.hex'
local p = require 'spec.support.protocol'

local lib = c.cdef('protocol/joyrpc/joyrpc.h')
local UP, DOWN = p.UP, p.DOWN

local u32 = frames.u32

local function bytes(name)
  return hex.decode(golden[name])
end

local function frame(body, type, attributes, count)
  attributes = attributes or ''
  return '\xad\xd0'
    .. u32(22 + #attributes + #body)
    .. string.char(0, 18 + #attributes, type or 1)
    .. u32(1)
    .. u32(0)
    .. '\x0d\0'
    .. u32(0)
    .. string.char(count or 0)
    .. attributes
    .. body
end

describe('protocol/joyrpc frames', function()
  local rig

  -- A server with nobody but the spec at the other end.
  local function server(limits)
    rig = p.rig { protocol = false, limits = limits }
    return rig
  end

  after_each(function()
    if rig then
      assert.equal(0, rig:free())
      rig = nil
    end
  end)

  local function decode(data)
    server():send(UP, bytes 'shake'):pump()
    local out, need = ffi.new('joy_frame'), ffi.new('size_t[1]')
    local size =
      lib.joy_frame_decode(rig:conn(DOWN), ffi.cast('const uint8_t *', data), #data, need, out)
    return tonumber(size), out, tonumber(need[0])
  end

  it('reads and writes every golden frame', function()
    for name in pairs(golden) do
      local data = bytes(name)
      local size, out = decode(data)
      assert.equal(#data, size, name)
      local again = ffi.new('uint8_t[?]', #data)
      local body = lib.joy_frame_put(again, out)
      ffi.copy(body, out.body.ptr, out.body.len)
      assert.equal(data, ffi.string(again, #data), name)
      rig:free()
      rig = nil
    end
  end)

  it('reads the header of a captured request', function()
    local _, out = decode(bytes 'say_hello')
    assert.same({ 1, 2, 1, 2, 0, 5000, 149 }, {
      out.type,
      out.id,
      out.session,
      out.serializer,
      out.compression,
      out.timeout_ms,
      tonumber(out.body.len),
    })
  end)

  it('asks for the rest of a frame by its size', function()
    local data = bytes 'say_hello'
    for len = 1, #data - 1 do
      local size, _, need = decode(data:sub(1, len))
      assert.equal(0, size)
      assert.equal(len < 6 and 0 or #data, need)
      rig:free()
      rig = nil
    end
  end)

  it('finds the callback id among attributes of all types', function()
    local attributes = '\1\1\0\0\0\7' .. '\8\3\9' .. '\5\2\0\2hi' .. '\7\4\0\1'
    local _, out = decode(frame('', 1, attributes, 4))
    assert.equal('hi', c.string(out.callback))
    assert.equal(0, tonumber(out.body.len))
  end)

  local bad = {
    ['a length below the header'] = { '\xad\xd0' .. u32(21), 'JOYRPC-FRAME' },
    ['another magic in the second frame'] = { bytes 'shake' .. 'GE', 'JOYRPC-FRAME' },
    ['a frame over the limit'] = { '\xad\xd0' .. u32(65537), 'JOYRPC-TOO-BIG', 'TOO_BIG' },
    ['a length beyond 2^31'] = { '\xad\xd0\xff\xff\xff\xff', 'JOYRPC-TOO-BIG', 'TOO_BIG' },
    ['a headerLength below 18'] = { (frame('x'):gsub('^(......)..', '%1\0\17')), 'JOYRPC-FRAME' },
    ['a headerLength beyond the frame'] = {
      (frame('x'):gsub('^(......)..', '%1\0\99')),
      'JOYRPC-FRAME',
    },
    ['attributes that run over'] = { frame('', 1, '\5\2\0\9hi', 1), 'JOYRPC-ATTRIBUTE' },
    ['fewer attributes than counted'] = { frame('', 1, '\8\3\9', 2), 'JOYRPC-ATTRIBUTE' },
    ['more attributes than counted'] = { frame('', 1, '\8\3\9\8\3\9', 1), 'JOYRPC-ATTRIBUTE' },
    ['an attribute of an unknown type'] = { frame('', 1, '\8\9\9', 1), 'JOYRPC-ATTRIBUTE' },
    ['an unknown message type'] = { frame('', 55), 'JOYRPC-TYPE' },
    ['a reply to a server'] = { frame('', 2), 'JOYRPC-TYPE' },
    ['a private type from a stranger'] = { frame('', 100), 'JOYRPC-TYPE' },
    ['a request in a serialization nobody has'] = {
      bytes 'shake' .. frame('x', 1):gsub('\x0d', '\x63'),
      'JOYRPC-SERIALIZATION',
    },
    ['a negotiation in Java serialization'] = {
      frame('\xac\xed', 8):gsub('\x0d', '\3'),
      'JOYRPC-NEGOTIATION',
    },
    ['a negotiation that is no JSON'] = { frame('{', 8), 'JOYRPC-NEGOTIATION' },
    ['a protocol nobody speaks'] = { '\xad\xd1', 'ADAPTER-UNKNOWN' },
  }
  for name, case in pairs(bad) do
    it('closes on ' .. name .. ', whole and byte by byte', function()
      for chunk = 0, 1 do
        server { frame = 65536 }
        rig.raw.chunk = chunk
        local value = ffi.new('uint64_t[1]')
        local function count()
          for n = 0, 100 do
            local counter = lib.peri_protocol_counter_at(n, value)
            if counter == nil then
              error(case[2])
            elseif ffi.string(counter) == case[2] then
              return tonumber(value[0])
            end
          end
        end
        local before = count()
        rig:send(UP, case[1]):pump()
        assert.truthy(rig:heard(DOWN):find('CLOSED ' .. (case[3] or 'PROTOCOL') .. '\n', 1, true))
        assert.equal(before + 1, count())
        rig:free()
        rig = nil
      end
    end)
  end

  it('answers heartbeats and handshakes header only, repeating the ids', function()
    server():send(UP, bytes 'heartbeat' .. bytes 'shake'):pump()
    assert.equal(bytes 'heartbeat_reply' .. bytes 'shake_reply', rig:wire(DOWN))
  end)

  it('serves a request without negotiation', function()
    server():send(UP, bytes 'json_request'):pump()
    assert.equal(
      'OPEN 1 flags=1 timeout=250 iface=demo.Greeter alias=prod method=hello ser=13 '
        .. 'body=["moon"]\n',
      rig:heard(DOWN)
    )
    assert.equal(0, rig:emit(DOWN, { type = 'REPLY', stream = 1, serializer = 13 }))
    rig:pump()
    assert.equal(bytes 'void_reply', rig:wire(DOWN))
  end)

  it('hands the callback id up and repeats it in the answer', function()
    server():send(UP, bytes 'callback_request'):pump()
    assert.truthy(rig:heard(DOWN):find(' callback=4711 ', 1, true))
  end)

  it('refuses a request on a session it does not know', function()
    local request = bytes('json_request'):gsub('"className":"demo.Greeter",', (' '):rep(27))
    request = request:gsub('^(.............)....', '%1\0\0\0\7')
    server():send(UP, request):pump()
    assert.equal('', rig:heard(DOWN))
    local answer = rig:wire(DOWN)
    assert.equal('\2\0\0\0\1\0\0\0\7\x0d\0', answer:sub(9, 19))
    assert.truthy(answer:find('io.joyrpc.exception.SessionException', 1, true))
    assert.truthy(answer:find('[RPC-033017]', 1, true))
    assert.truthy(answer:find('"retry":true', 1, true))
  end)

  it('refuses a body it cannot read and goes on', function()
    server():send(UP, frame('{"args":') .. frame('') .. bytes 'json_request'):pump()
    assert.truthy(rig:heard(DOWN):find('^OPEN 1'))
    local _, replies = rig:wire(DOWN):gsub('errorCode":"BAD_REQUEST', '')
    assert.equal(2, replies)
  end)

  it('keeps names with escapes alive beside the bytes', function()
    local request = frame '{"className":"a\\u0062c","alias":"x","methodName":"m\\tn","args":[1]}'
    server():send(UP, request):pump()
    assert.equal('OPEN 1 flags=1 iface=abc alias=x method=m\tn ser=13 body=[1]\n', rig:heard(DOWN))
  end)

  it('ignores what JoyRPC defines and nobody uses', function()
    server():send(UP, frame('', 12) .. frame('', 16) .. frame('', 14)):pump()
    assert.equal('', rig:heard(DOWN))
    assert.equal('', rig:wire(DOWN))
  end)

  it('closes a connection that shows nothing in time', function()
    server { first_byte_ms = 3000, negotiate_ms = 4000 }
    rig:advance(2000)
    assert.equal('', rig:heard(DOWN))
    rig:send(UP, '\xad'):pump():advance(2000)
    assert.equal('CLOSED TIMEOUT\n', rig:heard(DOWN))
    rig:free()
    server { first_byte_ms = 3000, silent = 0 }
    rig:advance(5000)
    assert.equal('CLOSED TIMEOUT\n', rig:heard(DOWN))
    rig:free()
    server { first_byte_ms = 3000, negotiate_ms = 4000 }
    rig:send(UP, bytes 'shake'):advance(3500)
    assert.equal('', rig:heard(DOWN))
    rig:advance(2000)
    assert.equal('CLOSED TIMEOUT\n', rig:heard(DOWN))
  end)

  it('closes an idle connection only when asked to', function()
    server { idle_ms = 20000 }
    rig:send(UP, bytes 'json_request'):advance(15000)
    rig:send(UP, bytes 'heartbeat'):advance(15000)
    assert.falsy(rig:heard(DOWN):find 'CLOSED')
    rig:advance(10000)
    assert.truthy(rig:heard(DOWN):find 'CLOSED TIMEOUT')
  end)
end)
