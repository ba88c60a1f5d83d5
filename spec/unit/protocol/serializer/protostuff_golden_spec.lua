-- SPDX-License-Identifier: MIT
-- What stock JoyRPC peers say to each other in Protostuff: read, written again, and sent as a bad peer
-- does.
local ffi = require 'ffi'
local c = require 'spec.support.c'
local cuts = require 'spec.support.cuts'
local golden = require 'spec.support.golden.joyrpc'
local hex = require 'spec.support.hex'
local p = require 'spec.support.protocol'
local recorded = require 'spec.support.golden.joyrpc_recorded'
local values = require 'spec.support.values'

local lib = c.cdef('protocol/serializer.h', 'base/err.h')
local protostuff = lib.peri_serializer_by_name 'protostuff'
local limits = ffi.new('peri_value_limits', 64, 2 ^ 16, 2 ^ 16, 2 ^ 20)

values.declare_class('demo.Color', { 'RED', 'GREEN', 'BLUE' })
for class, fields in pairs {
  ['demo.Address'] = { { 'city', 'java.lang.String' }, { 'number', 'int' } },
  ['demo.Person'] = {
    { 'name', 'java.lang.String' },
    { 'age', 'int' },
    { 'wealth', 'java.lang.Long' },
    { 'active', 'boolean' },
    { 'score', 'double' },
    { 'address', 'demo.Address' },
    { 'tags', 'java.util.List<java.lang.String>' },
    { 'color', 'demo.Color' },
    { 'friend', 'demo.Person' },
  },
  ['demo.Nest'] = {
    { 'name', 'java.lang.String' },
    { 'rows', 'java.util.List<java.util.List<java.lang.String>>' },
    { 'tables', 'java.util.List<java.util.Map<java.lang.String, java.lang.Integer>>' },
    { 'groups', 'java.util.Map<java.lang.String, java.util.List<java.lang.Integer>>' },
    {
      'deep',
      'java.util.Map<java.lang.String, java.util.Map<java.lang.String, java.lang.Integer>>',
    },
    { 'places', 'demo.Address[]' },
  },
} do
  local names, types = {}, {}
  for i, field in ipairs(fields) do
    names[i], types[i] = field[1], field[2]
  end
  values.declare_class(class, names, types)
end

local function read(kind, frame)
  local out = ffi.new(kind == 'request' and 'peri_envelope' or 'peri_reply_envelope')
  local scratch, err = c.buf(), ffi.new 'peri_err'
  local body = frame:sub(recorded.HEADER + 1)
  local rc = protostuff['read_' .. (kind == 'request' and kind or 'reply')](
    c.bytes(body),
    limits,
    scratch,
    out,
    err
  )
  assert.equal(0, rc, ffi.string(err.text))
  return kind == 'request' and c.string(out.args) or c.string(out.result), out
end

local function decode(bytes)
  local ok, value, message = values.decode('protostuff', bytes, 'cdata')
  assert(ok, message)
  return value
end

-- Each frame with the method's name.
local function each(direction, fn)
  for name, frame in pairs(recorded.frames) do
    local method = name:match('^protostuff%.(%w+)%.%d+%.' .. direction .. '$')
    if method then
      fn(method, frame, name)
    end
  end
end

-- Those whose values tell their Java types by themselves, and that have one order.
local EXACT = {
  echoBoolean = true,
  echoInt = true,
  echoString = true,
  echoBytes = true,
  echoInts = true,
  echoLongs = true,
  echoStrings = true,
  echoList = true,
  echoRows = true,
  echoSet = true,
  echoDecimal = true,
  echoBigInteger = true,
  echoDate = true,
  echoColor = true,
  echoInteger = true,
  sayHello = true,
  later = true,
}

describe('protostuff between JoyRPC peers', function()
  it('has the values that were sent', function()
    local count = 0
    each('request', function(method, frame, name)
      local args, envelope = read('request', frame)
      assert.equal(method, c.string(envelope.method))
      local result, reply = read('response', recorded.frames[name:gsub('request$', 'response')])
      local ok, value = values.decode_args('protostuff', args, 'cdata')
      assert.is_true(ok, name)
      if method:find '^echo' then
        assert.same(value, #result > 0 and decode(result) or nil, name)
        count = count + 1
      elseif method == 'failDeclared' then
        assert.equal('demo.DeclaredException', c.string(reply.type))
        assert.equal('no luck', c.string(reply.message))
      end
    end)
    assert.is_true(count > 50)
  end)

  it('is written as Java writes it', function()
    each('response', function(method, frame, name)
      local result = read('response', frame)
      if #result == 0 or method:find '^fail' then
        return
      end
      local value = decode(result)
      local ok, written, message = values.encode('protostuff', value)
      assert.is_true(ok, ('%s: %s'):format(name, message))
      if EXACT[method] then
        assert.equal(hex.encode(result), hex.encode(written), name)
      else
        assert.same(value, decode(written), name)
      end
    end)
  end)

  -- A server that negotiated session 1 with a stock consumer, and a client that waits for answer 2.
  local function server()
    return p.rig({ protocol = false }):send(p.UP, hex.decode(golden.java_negotiation))
  end

  local function client()
    local rig = p.rig()
    local session = assert(rig:open { iface = 'i', alias = 'a' })
    assert.equal(2, rig:expect(p.UP))
    rig:emit(
      p.UP,
      { type = 'OPEN', flags = 1, stream = 2, session = session, method = 'm', serializer = 111 }
    )
    session.native, rig:conn(p.UP).native = false, false
    return rig
  end

  local function bad_peer(it_, message, name, accept)
    local heard, said = it_:whole(message)
    assert.matches(accept, heard, name)
    local heard_slowly, said_slowly = it_:byte_by_byte(message)
    assert.equal(heard, heard_slowly)
    assert.equal(#said, #said_slowly)
    it_:cut(message)
  end

  local CUT = {
    attachment = true,
    echoLocalDateTime = true,
    echoMap = true,
    echoNest = true,
    echoPlaces = true,
    echoPerson = true,
    failDeclared = true,
    failUnchecked = true,
    touch = true,
  }

  it('requests may come in pieces, and end early', function()
    each('request', function(method, frame, name)
      if CUT[method] then
        bad_peer(cuts.new(server, p.UP), frame, name, '^OPEN')
      end
    end)
  end)

  it('answers may come in pieces, and end early', function()
    each('response', function(method, frame, name)
      if CUT[method] then
        local message = frame:sub(1, 9) .. '\0\0\0\2' .. frame:sub(14)
        local accept = method:find '^fail' and '^DONE 2 UNKNOWN' or '^DONE 2 OK'
        bad_peer(cuts.new(client, p.DOWN), message, name, accept)
      end
    end)
  end)

  it('any byte may be another', function()
    each('request', function(method, frame, name)
      if not method:find '^echo[NPSM]' then
        return
      end
      for at = recorded.HEADER + 1, #frame do
        for _, byte in ipairs { '\0', '\31', '\127', '\255' } do
          local body = frame:sub(1, at - 1) .. byte .. frame:sub(at + 1)
          local out, scratch, err = ffi.new 'peri_envelope', c.buf(), ffi.new 'peri_err'
          local rc = protostuff.read_request(
            c.bytes(body:sub(recorded.HEADER + 1)),
            limits,
            scratch,
            out,
            err
          )
          if rc == 0 then
            values.decode_args('protostuff', c.string(out.args))
          else
            assert.is_true(rc < 0 and ffi.string(err.text) ~= '', name)
          end
        end
      end
    end)
  end)
end)
