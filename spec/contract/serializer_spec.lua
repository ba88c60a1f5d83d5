-- SPDX-License-Identifier: MIT
-- What every serializer that carries whole values owes: the same cases through each.
local values = require 'spec.support.values'

local null, array, bytes = values.null, values.array, values.bytes

local function encode(name, value, limits)
  local ok, text, why = values.encode(name, value, limits)
  assert(ok, why)
  return text
end

local function decode(name, text, int64, limits)
  local ok, value, why = values.decode(name, text, int64, limits)
  assert(ok, why)
  return value
end

local function nested(depth)
  local value = array {}
  for _ = 2, depth do
    value = { value }
  end
  return value
end

local function is_list(value)
  return select(2, values.encode('json', value)):sub(1, 1) == '['
end

-- What formats differ in. `graph`: shared tables and cycles are written as references.
local formats = {
  json = { unsigned = true, repeated = '{"a":1,"a":2,"b":1,"b":null}' },
  msgpack = { unsigned = true, repeated = '\132\161a\1\161a\2\161b\1\161b\192' },
  hessian2 = { graph = true, repeated = 'H\1a\145\1a\146\1b\145\1bNZ' },
}

for name, format in pairs(formats) do
  describe('serializer ' .. name, function()
    local scalars = {
      true,
      false,
      0,
      1,
      -1,
      127,
      128,
      255,
      256,
      -32,
      -33,
      -128,
      -129,
      32767,
      32768,
      65535,
      65536,
      -32768,
      -32769,
      2147483647,
      2147483648,
      4294967295,
      4294967296,
      -2147483648,
      -2147483649,
      2 ^ 53,
      -2 ^ 53,
      0.5,
      0.1,
      -1.25,
      1 / 3,
      1e300,
      5e-324,
      1.7976931348623157e308,
      123456.789,
      '',
      'moon',
      ('x'):rep(31),
      ('x'):rep(32),
      ('x'):rep(255),
      ('x'):rep(256),
      ('x'):rep(70000),
      'a"b\\c/d\b\f\n\r\t\0\1\31\127',
      'é',
      '€',
      '😀',
      '\239\191\191',
    }
    for i, value in ipairs(scalars) do
      it(('keeps scalar %d: %s'):format(i, tostring(value):sub(1, 20):gsub('%c', '.')), function()
        assert.equal(value, decode(name, encode(name, value)))
      end)
    end

    it('keeps nil, and the sign of zero', function()
      assert.is_nil(decode(name, encode(name, nil)))
      assert.is_nil(decode(name, encode(name, null)))
      assert.equal(-math.huge, 1 / decode(name, encode(name, -0.0)))
    end)

    it('tells empty lists from empty maps', function()
      assert.is_true(is_list(decode(name, encode(name, array {}))))
      assert.is_false(is_list(decode(name, encode(name, {}))))
      local both = decode(name, encode(name, { list = array {}, map = {} }))
      assert.is_true(is_list(both.list))
      assert.is_false(is_list(both.map))
    end)

    it('keeps lists, maps and what is in them', function()
      local value = { id = 12345, name = 'moon', price = 9.75, ok = true, tags = { 1, 2, 3 } }
      assert.same(value, decode(name, encode(name, value)))
      local list = { 1, null, { a = { b = {} } }, 'x', { { {} } } }
      assert.same(list, decode(name, encode(name, list)))
    end)

    it('keeps null in lists and drops it in maps', function()
      local value = decode(name, encode(name, { list = { null, 1, null }, gone = null }))
      assert.same({ null, 1, null }, value.list)
      assert.is_nil(value.gone)
    end)

    it('keeps many entries', function()
      local list, map = {}, {}
      for i = 1, 70000 do
        list[i] = i
        if i <= 20000 then
          map['key' .. i] = i
        end
      end
      local value = decode(name, encode(name, { list = list, map = map }))
      assert.equal(70000, #value.list)
      assert.equal(70000, value.list[70000])
      assert.same(map, value.map)
    end)

    it('is exact for 64-bit integers', function()
      local ints = { 9007199254740993LL, 9223372036854775807LL, -9223372036854775807LL - 1 }
      for _, int in ipairs(ints) do
        local text = encode(name, int)
        assert.is_true(int == decode(name, text, 'cdata'))
        assert.equal((tostring(int):gsub('LL', '')), decode(name, text, 'string'))
      end
      if not format.unsigned then
        return
      end
      local big = 18446744073709551615ULL
      assert.is_true(big == decode(name, encode(name, big), 'cdata'))
      assert.equal('18446744073709551615', decode(name, encode(name, big), 'string'))
      local ok, code, why = values.decode(name, encode(name, big))
      assert.same({ false, 'BAD_REQUEST' }, { ok, code })
      assert.matches("int64 = 'cdata'", why, 1, true)
    end)

    it('refuses what cannot be encoded, naming the place', function()
      local cases = {
        { function() end, 'function cannot be encoded' },
        { coroutine.create(print), 'thread cannot be encoded' },
        { io.stdout, 'userdata cannot be encoded' },
        { require('ffi').new 'int[1]', 'cdata other than' },
        { '\255', 'not UTF%-8' },
        { '\237\160\128', 'not UTF%-8' },
        { '\192\175', 'not UTF%-8' },
      }
      for _, case in ipairs(cases) do
        local ok, code, why = values.encode_args(name, 1, { price = { list = { 1, case[1] } } })
        assert.same({ false, 'BAD_REQUEST' }, { ok, code })
        assert.matches('^args%[2%]%.price%.list%[2%]: ', why)
        assert.matches(case[2], why)
      end
    end)

    it('ends a cycle', function()
      local loop = {}
      loop.loop = loop
      local ok, code = values.encode(name, loop)
      if format.graph then
        local back = decode(name, code)
        assert.is_true(ok and rawequal(back, back.loop))
      else
        assert.same({ false, 'TOO_BIG' }, { ok, code })
      end
    end)

    it('bounds what shared tables multiply into', function()
      local value = {}
      for _ = 1, 40 do
        value = { value, value }
      end
      local ok, code = values.encode(name, value)
      if format.graph then
        local back = decode(name, code)
        assert.is_true(ok and #code < 200 and rawequal(back[1], back[2]))
      else
        assert.same({ false, 'TOO_BIG' }, { ok, code })
      end
    end)

    it('holds the limits on depth, elements and strings', function()
      local text = encode(name, nested(64))
      assert.is_true((values.decode(name, text)))
      local ok, code = values.decode(name, encode(name, nested(10)), nil, { depth = 9 })
      assert.same({ false, 'TOO_BIG' }, { ok, code })
      ok, code = values.encode(name, nested(65))
      assert.same({ false, 'TOO_BIG' }, { ok, code })
      ok, code = values.decode(name, encode(name, { 1, 2, 3, 4 }), nil, { elements = 3 })
      assert.same({ false, 'TOO_BIG' }, { ok, code })
      ok, code = values.decode(name, encode(name, 'four'), nil, { string = 3 })
      assert.same({ false, 'TOO_BIG' }, { ok, code })
    end)

    it('refuses every truncation and any byte too many', function()
      local value = { 'text', 1000, { key = { 1.5, true, null } }, array {}, bytes 'b' }
      local text = encode(name, value)
      for length = 0, #text - 1 do
        local ok, code = values.decode(name, text:sub(1, length))
        assert.same({ false, 'BAD_REQUEST' }, { ok, code })
      end
      local ok, code, why = values.decode(name, text .. '1')
      assert.same({ false, 'BAD_REQUEST' }, { ok, code })
      assert.matches('offset ' .. #text, why)
    end)

    it('survives any byte changed', function()
      local text = encode(name, { 'text', 1000, { key = { 1.5, true, null } }, array {} })
      for i = 1, #text do
        for _, byte in ipairs { 0, 0x22, 0x5B, 0x7B, 0x80, 0x9F, 0xC1, 0xD9, 0xDD, 0xDF, 0xFF } do
          values.decode(name, text:sub(1, i - 1) .. string.char(byte) .. text:sub(i + 1))
        end
      end
    end)

    it('carries arguments as a list, nil included', function()
      local text = select(2, values.encode_args(name, 1, nil, 'x', nil))
      local got = { values.decode_args(name, text) }
      assert.same({ true, 1, nil, 'x', nil }, got)
      assert.equal(5, select('#', values.decode_args(name, text)))
      assert.equal(1, select('#', values.decode_args(name, select(2, values.encode_args(name)))))
      local ok, code = values.decode_args(name, encode(name, { a = 1 }))
      assert.same({ false, 'BAD_REQUEST' }, { ok, code })
    end)

    it('gives the last of repeated keys', function()
      assert.same({ a = 2 }, decode(name, format.repeated))
    end)
  end)
end

describe('serializer raw', function()
  it('carries one string as it is', function()
    assert.equal('\0\255x', encode('raw', '\0\255x'))
    assert.equal('\0\255x', decode('raw', '\0\255x'))
    assert.equal('\0\255x', encode('raw', bytes '\0\255x'))
    assert.equal('', encode('raw', nil))
    assert.same({ true, 'abc' }, { values.decode_args('raw', 'abc') })
    assert.same({ true, 'abc' }, { values.encode_args('raw', 'abc') })
  end)

  it('refuses anything else', function()
    for _, value in ipairs { 1, true, {} } do
      local ok, code, why = values.encode('raw', value)
      assert.same({ false, 'BAD_REQUEST' }, { ok, code })
      assert.matches('raw carries one string', why)
    end
    assert.is_false((values.encode_args('raw', 'a', 'b')))
    local ok, code = values.decode('raw', 'four', nil, { string = 3 })
    assert.same({ false, 'TOO_BIG' }, { ok, code })
  end)
end)

describe('serializers written in Lua', function()
  local cjson = require 'perilune.protocol.serializer.json.cjson'

  it('are reached by name and provider', function()
    assert.is_true((values.add(cjson)))
    assert.equal('{"a":[1,2]}', encode('json@cjson', { a = { 1, 2 } }))
    assert.same({ a = { 1, 2 } }, decode('json@cjson', '{"a":[1,2]}'))
    assert.same({ true, 1, 'x' }, { values.decode_args('json@cjson', '[1,"x"]') })
    assert.same({ true, '[1,null,"x"]' }, { values.encode_args('json@cjson', 1, nil, 'x') })
  end)

  it('fail as values', function()
    assert.is_true((values.add(cjson)))
    local ok, code, why = values.decode('json@cjson', '{')
    assert.same({ false, 'BAD_REQUEST' }, { ok, code })
    assert.matches('serializer json: ', why)
    assert.is_false((values.encode('json@cjson', { print })))
  end)

  it('are checked when they are added', function()
    local ok, code, why = values.add { name = 'half', id = 99, encode = print }
    assert.same({ false, 'CONFIG' }, { ok, code })
    assert.matches("serializer 'half'.*decode", why)
    local function id(x)
      return x
    end
    ok, code = values.add { name = 'json', id = 99, encode = id, decode = id }
    assert.same({ false, 'ALREADY_EXISTS' }, { ok, code })
  end)
end)
