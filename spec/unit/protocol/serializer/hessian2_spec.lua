-- SPDX-License-Identifier: MIT
-- Forms of the specification by hand; what Java writes is in hessian2_java_spec.lua.
local hexes = require 'spec.support.hex'
local values = require 'spec.support.values'

local null, array, typed, class_of = values.null, values.array, values.typed, values.class_of
package.loaded['perilune.core'] = package.loaded['perilune.core'] or values
local java = require 'perilune.protocol.java'

local hex, unhex = hexes.encode, hexes.decode

local function encode(value, name)
  local ok, text, why = values.encode(name or 'hessian2', value)
  assert(ok, why)
  return text
end

local function decode(text, int64, limits)
  local ok, value, why = values.decode('hessian2', text, int64, limits)
  assert(ok, why)
  return value
end

local function refused(text, limits)
  local ok, code, why = values.decode('hessian2', text, nil, limits)
  assert.is_false(ok, hex(text:sub(1, 40)))
  return code, why
end

describe('hessian2', function()
  it('reads every form of a value', function()
    local cases = {
      { '90', 0 },
      { '80', -16 },
      { 'bf', 47 },
      { 'c800', 0 },
      { 'c000', -2048 },
      { 'c700', -256 },
      { 'cfff', 2047 },
      { 'd40000', 0 },
      { 'd00000', -262144 },
      { 'd7ffff', 262143 },
      { '49 0000012c', 300 },
      { 'e0', 0 },
      { 'd8', -8 },
      { 'ef', 15 },
      { 'f800', 0 },
      { 'f000', -2048 },
      { 'ffff', 2047 },
      { '3c0000', 0 },
      { '380000', -262144 },
      { '3fffff', 262143 },
      { '59 0000012c', 300 },
      { '4c 000000000000012c', 300 },
      { '5b', 0 },
      { '5c', 1 },
      { '5d80', -128 },
      { '5e0000', 0 },
      { '5e8000', -32768 },
      { '5f 00002fda', 12.25 },
      { '44 4028800000000000', 12.25 },
      { 'N', nil },
      { '00', '' },
      { '05 68656c6c6f', 'hello' },
      { '3001 78', 'x' },
      { '53 0005 68656c6c6f', 'hello' },
      { '52 0007 68656c6c6f2c20 05 776f726c64', 'hello, world' },
      { '01 c383', 'Ã' },
      { '02 eda0bd edb880', '😀' },
      { '02 f09f9880', '😀' },
      { '52 0001 eda0bd 01 edb880', '😀' },
    }
    for _, case in ipairs(cases) do
      local text = case[1] == 'N' and 'N' or unhex(case[1])
      assert.equal(case[2], decode(text), case[1])
    end
    assert.is_true(decode 'T')
    assert.is_false(decode 'F')
    for _, text in ipairs { '23 010203', '3403 010203', '42 0003 010203', '41 0002 0102 21 03' } do
      assert.equal('\1\2\3', tostring(decode(unhex(text))))
    end
    for _, text in ipairs { '4a 000000d04b9284b8', '4b 00e3838f' } do
      assert.equal('java.util.Date', class_of(decode(unhex(text))))
    end
    assert.equal(894621091000, decode(unhex '4a 000000d04b9284b8').value)
    assert.equal(894621060000, decode(unhex '4b 00e3838f').value)
  end)

  it('reads every form of a list', function()
    for _, text in ipairs { '57 9192 5a', '58 92 9192', '7a 9192' } do
      local list = decode(unhex(text))
      assert.same({ 1, 2 }, list)
      assert.is_nil(class_of(list))
    end
    for _, text in ipairs { '55 02 5b69 9192 5a', '56 02 5b69 92 9192', '72 02 5b69 9192' } do
      local list = decode(unhex(text))
      assert.same({ 1, 2 }, { list[1], list[2] })
      assert.equal('[i', class_of(list))
    end
    local both = decode(unhex '7a 71 02 5b69 91 71 90 92')
    assert.same({ '[i', '[i' }, { class_of(both[1]), class_of(both[2]) })
    assert.same({ 1, null, 2 }, decode(unhex '7b 91 4e 92'))
  end)

  it('reads every form of a map and an object', function()
    assert.same({ a = 1 }, decode(unhex '48 0161 91 5a'))
    assert.same(
      { [1] = 'x', [2.5] = 'y', [true] = 'z' },
      decode(unhex '48 91 0178 5f000009c4 0179 54 017a 5a')
    )
    local map = decode(unhex '4d 0163 0161 91 5a')
    assert.same({ 'c', 1 }, { class_of(map), map.a })
    for _, head in ipairs { '60', '4f90' } do
      local object = decode(unhex('43 0143 92 0178 0179' .. head .. '9192'))
      assert.same({ 'C', 1, 2 }, { class_of(object), object.x, object.y })
    end
    local nested = decode(unhex '43 0141 91 0178 60 43 0142 91 0179 61 91')
    assert.same({ 'A', 'B', 1 }, { class_of(nested), class_of(nested.x), nested.x.y })
  end)

  it('reads references, also to what is not complete', function()
    local list = decode(unhex '7a 48 0161 91 5a 5191')
    assert.is_true(rawequal(list[1], list[2]) and list[1].a == 1)
    local cycle = decode(unhex '48 046d65 5190 5a' ~= nil and 'H\2meQ\144Z')
    assert.is_true(rawequal(cycle, cycle.me))
    local typed_key = decode 'HC\1E\145\4name\96\1x\145Q\145\146Z'
    local key, value = next(typed_key)
    assert.same({ 'E', 'x', 2 }, { class_of(key), key.name, value })
  end)

  it('writes the shortest form', function()
    local cases = {
      { 0, '90' },
      { 48, 'c830' },
      { 2048, 'd40800' },
      { 262144, '4900040000' },
      { 2 ^ 31, '4c0000000080000000' },
      { 1.5, '5f000005dc' },
      { -0.0, '448000000000000000' },
      { 0 / 0, nil },
      { ('x'):rep(3), '03787878' },
      { {}, '485a' },
      { array {}, '78' },
      { { 1, 2, 3, 4, 5, 6, 7, 8 }, '58989192939495969798' },
      { typed('[int', array { 1 }), '71045b696e7491' },
      { java.long(1), 'e1' },
      { java.long(2 ^ 40), '4c0000010000000000' },
      { java.long '-9223372036854775808', '4c8000000000000000' },
      { java.double(1), '5c' },
      { java.double(-128), '5d80' },
      { java.double(300), '5e012c' },
      { java.date(60000), '4b00000001' },
      { java.date(60001), '4a000000000000ea61' },
      { java.char 'x', '0178' },
      { 5LL, 'e5' },
      { { typed('[a', array {}), typed('[a', array {}) }, '7a70025b617090' },
      { java.entries { { 'b', 1 }, { 'a', 2 } }, 'M' },
    }
    for _, case in ipairs(cases) do
      local got = hex(encode(case[1]))
      if case[2] == 'M' then
        assert.matches('0162910161925a$', got)
      elseif case[2] then
        assert.equal(case[2], got)
      end
    end
  end)

  it('writes what has a class as its kind tells', function()
    assert.equal('C\3c.D\145\1a\96\145', encode(typed('c.D', { a = 1 })))
    assert.equal('C\3c.D\144\96', encode(typed('c.D', {})))
    assert.equal('M\3c.D\1a\145Z', encode(java.map('c.D', { a = 1 })))
    assert.matches('^M\17java.util.TreeMap', encode(typed('java.util.TreeMap', { a = 1 })))
    assert.equal('q\3c.D\145', encode(java.list('c.D', { 1 })))
    assert.equal('C\1E\145\4name\96\1X', encode(java.enum('E', 'X')))
    local two = encode { typed('A', { a = 1 }), typed('A', { a = 2 }) }
    assert.equal('zC\1A\145\1a\96\145\96\146', two)
  end)

  it('names the private classes as the peer does', function()
    local float = java.float(1.5)
    assert.matches('io%.joyrpc%.com%.caucho%.hessian%.io%.FloatHandle', encode(float))
    assert.equal('5f000005dc', hex(encode(float, 'hessian2@dubbo')))
    local date = typed('java.time.LocalDate', { year = 2024, month = 2, day = 29 })
    local bytes = encode(date, 'hessian2@dubbo')
    assert.matches('com%.alibaba%.com%.caucho%.hessian%.io%.java8%.LocalDateHandle', bytes)
    local back = decode(bytes)
    assert.same({ 'java.time.LocalDate', 29 }, { class_of(back), back.day })
  end)

  it('keeps identity', function()
    local shared = { 1 }
    local back = decode(encode { shared, shared, { 1 } })
    assert.is_true(rawequal(back[1], back[2]))
    assert.is_false(rawequal(back[1], back[3]))
    local loop = typed('Node', { name = 'loop' })
    loop.next = loop
    back = decode(encode(loop))
    assert.is_true(rawequal(back, back.next))
    local ok, first, second =
      values.decode_args('hessian2', select(2, values.encode_args('hessian2', shared, shared)))
    assert.is_true(ok and rawequal(first, second))
  end)

  it('cuts long strings between characters', function()
    for _, text in ipairs {
      ('x'):rep(32768),
      ('x'):rep(32769),
      ('é'):rep(65537),
      ('x'):rep(32767) .. '😀',
      ('😀'):rep(40000),
    } do
      assert.equal(text, decode(encode(text)))
    end
    assert.equal('\82\127\255', encode(('x'):rep(32767) .. '😀'):sub(1, 3))
    assert.equal('\82\128\0', encode(('x'):rep(32769)):sub(1, 3))
    for _, size in ipairs { 0, 15, 16, 1023, 1024, 32768, 32769, 100000 } do
      assert.equal(size, #tostring(decode(encode(values.bytes(('b'):rep(size))))))
    end
  end)

  it('gives longs as asked for', function()
    assert.is_true(decode('\229', 'cdata') == 5LL)
    assert.equal(5, decode('\149', 'cdata'))
    assert.equal(5, decode '\229')
  end)

  it('refuses what is no Hessian, and says where', function()
    local cases = {
      { '', 'ends inside' },
      { '@', 'begins no value' },
      { 'Z', 'begins no value' },
      { '\1\255', 'ends inside a value' },
      { '\1\200x', 'not text' },
      { '\1\237\160\189', 'half a surrogate' },
      { 'Q\144', 'reference to what was not there' },
      { 'zHZQ\146', 'reference to what was not there' },
      { 'zH\1aQ\143Z', 'negative' },
      { '\96', 'no such class' },
      { 'C\1A\144', 'ends inside' },
      { 'C\1A\144H', 'an object is expected' },
      { 'C\1A\143\96', 'negative' },
      { 'C\145\144\96', 'a name is expected' },
      { 'q\144\145', 'no such type' },
      { 'qT\145', 'int is expected' },
      { 'V\1aI\127\255\255\255', 'TOO_BIG' },
      { 'XI\255\255\255\255', 'negative' },
      { 'zH', 'ends inside' },
      { 'R\0\1x', 'ends inside' },
      { 'R\0\1x\145', 'chunk of a string' },
      { 'A\0\1x\1x', 'chunk of bytes' },
      { 'HN\145Z', 'null cannot be a key' },
    }
    for _, case in ipairs(cases) do
      local code, why = refused(case[1])
      assert.matches(case[2], code .. ' ' .. why)
    end
  end)

  it('holds its limits', function()
    local deep = ('y'):rep(65) .. 'N'
    assert.equal('TOO_BIG', (refused(deep)))
    assert.equal('TOO_BIG', (refused('z\1a\1b', { elements = 1 })))
    assert.equal('TOO_BIG', (refused('zC\1A\145\1x\96\145\96\145', { elements = 4 })))
    assert.equal('TOO_BIG', (refused('R\0\2xxR\0\2xx\2xx', { string = 5 })))
    local refs = 'X' .. encode(300) .. 'HZ' .. ('Q\145'):rep(299)
    assert.equal('TOO_BIG', (refused(refs, { refs = 298 })))
    assert.equal(300, #decode(refs, nil, { refs = 299 }))
    local classes = ('C\1A\144'):rep(5000) .. '\96'
    assert.equal('TOO_BIG', (refused(classes)))
  end)

  it('keeps apart bodies whose tables differ', function()
    local text = encode(typed('A', { a = typed('B', { b = 1 }) }))
    for _ = 1, 3 do
      assert.equal(1, decode(text).a.b)
      assert.equal(text, encode(typed('A', { a = typed('B', { b = 1 }) })))
    end
  end)

  it('survives keys made to collide', function()
    local parts = {}
    for i = 1, 20000 do
      parts[i] = encode('key' .. i) .. '\145'
    end
    assert.equal(1, decode('H' .. table.concat(parts) .. 'Z').key20000)
  end)

  it('carries any number of digits it can', function()
    for _, digits in ipairs {
      '0',
      '1',
      '-1',
      '4294967295',
      '4294967296',
      '-18446744073709551616',
      ('9'):rep(2000),
    } do
      local back = decode(encode(java.bigint(digits)))
      assert.same({ 'java.math.BigInteger', digits }, { class_of(back), back.value })
    end
    assert.is_false((values.encode('hessian2', java.bigint(('9'):rep(3000)))))
    assert.equal('12.500', tostring(decode(encode(java.decimal '12.500'))))
  end)

  it('is the identity on generated values', function()
    local seed = 42
    local function random(n)
      seed = (seed * 1103515245 + 12345) % 2 ^ 31
      return math.floor(seed / 65536) % n
    end
    local make
    local scalars = {
      function()
        return random(2) == 0
      end,
      function()
        return (random(32768) - 16384) * 32 ^ random(8)
      end,
      function()
        return (random(32768) - 16384) / 7
      end,
      function()
        return ('xé€😀'):rep(random(9))
      end,
      function()
        return values.bytes(('\255'):rep(random(40)))
      end,
    }
    local function list(depth)
      local items = array {}
      for i = 1, random(10) do
        items[i] = make(depth - 1)
      end
      return #items > 0 and setmetatable(items, nil) or items
    end
    local function object(depth)
      local fields = {}
      for i = 1, random(6) do
        fields['f' .. i] = make(depth - 1)
      end
      return random(2) == 0 and typed('gen.C' .. random(4), fields) or fields
    end
    function make(depth)
      local kind = random(depth > 0 and 7 or 5) + 1
      return kind <= 5 and scalars[kind]() or kind == 6 and list(depth) or object(depth)
    end
    for _ = 1, 300 do
      local value = { make(4) }
      local back = decode(encode(value))
      assert.same(value, back)
      assert.same(getmetatable(value[1]), getmetatable(back[1]))
    end
  end)
end)

describe('perilune.java', function()
  it('refuses what a type cannot hold', function()
    for _, case in ipairs {
      { java.int, 2 ^ 31 },
      { java.int, 1.5 },
      { java.short, 32768 },
      { java.byte, 128 },
      { java.byte, -129 },
      { java.int, '5' },
      { java.long, 2 ^ 60 },
      { java.long, '1x' },
      { java.long, '9223372036854775808' },
      { java.float, 'x' },
      { java.char, 'ab' },
      { java.char, '' },
      { java.date, 'x' },
      { java.decimal, '1.2.3' },
      { java.decimal, 'x' },
      { java.bigint, '1.5' },
      { java.bigint, 1.5 },
    } do
      assert.has_error(function()
        case[1](case[2])
      end)
    end
    assert.is_true(java.long('9223372036854775807').value == 9223372036854775807LL)
  end)

  it('compares and prints what is inside', function()
    assert.is_true(java.date(5) == java.date(5) and java.date(5) ~= java.date(6))
    assert.equal('5', tostring(java.int(5)))
    assert.equal('java.lang.Integer', class_of(java.int(5)))
  end)

  it('travels plain where types are unknown', function()
    local value = { java.int(1), java.date(2), java.decimal '1.5' }
    assert.equal('[1,2,"1.5"]', select(2, values.encode('json', value)))
    assert.same(
      { 1, 2, '1.5' },
      select(2, values.decode('msgpack', select(2, values.encode('msgpack', value))))
    )
  end)
end)
