-- SPDX-License-Identifier: MIT
-- Classes of maps, collections and arrays over Protostuff: bytes that JoyRPC 1.4.7 wrote for these values,
-- and ours, which it reads as the same.
local values = require 'spec.support.values'

package.loaded['perilune.core'] = package.loaded['perilune.core'] or values
local java = require 'perilune.protocol.java'

local function bytes_of(hex)
  return (
    hex:gsub('%s+', ''):gsub('%x%x', function(pair)
      return string.char(tonumber(pair, 16))
    end)
  )
end

local function hex_of(text)
  return (text:gsub('.', function(char)
    return ('%02x'):format(char:byte())
  end))
end

local function decode(hex)
  local ok, value, message = values.decode('protostuff', bytes_of(hex))
  assert(ok, message)
  return value
end

local function encode(value)
  local ok, text, message = values.encode('protostuff', value)
  assert(ok, message)
  return hex_of(text)
end

-- What stands on the wire for `name`, a collection (ca01) or map (d201), and what is in it.
local function named(id, name, content)
  return ('%s%02x%s%s'):format(id, #name, hex_of(name), content)
end

local ENTRY = '0b0b4a016b0c132807140c'
local ITEM = '0b4a016b0c'

values.declare_class('demo.klass.Color', { 'RED', 'GREEN' })
values.declare_class('demo.klass.Inner', { 'city' }, { 'java.lang.String' })

local fields = 0

-- An object of a class with one field of that type.
local function with_field(type, value)
  fields = fields + 1
  local class = ('demo.klass.F%02d'):format(fields)
  values.declare_class(class, { 'v' }, { type })
  return values.typed(class, { v = value })
end

-- The content of that object, behind its class.
local function field_hex(object)
  local hex = encode(object)
  local prefix = 'fa070e' .. hex_of(values.class_of(object))
  assert.equal(prefix, hex:sub(1, #prefix))
  assert.same(object, decode(hex))
  return hex:sub(#prefix + 1)
end

describe('protostuff', function()
  it('keeps the class of a map', function()
    for name, wire in pairs {
      ['java.util.TreeMap'] = 'TreeMap',
      ['java.util.LinkedHashMap'] = 'LinkedHashMap',
      ['java.util.Hashtable'] = 'Hashtable',
      ['java.util.concurrent.ConcurrentHashMap'] = 'ConcurrentHashMap',
      ['demo.MyMap'] = 'demo.MyMap',
    } do
      local hex = named('d201', wire, ENTRY)
      local map = decode(hex)
      assert.equal(name, values.class_of(map))
      assert.equal(7, map.k)
      assert.equal(hex, encode(map))
    end
    local plain = decode(named('d201', 'HashMap', ENTRY))
    assert.is_nil(values.class_of(plain))
    assert.equal(named('d201', 'HashMap', ENTRY), encode(plain))
  end)

  it('keeps the class of a collection', function()
    for name, wire in pairs {
      ['java.util.LinkedList'] = 'LinkedList',
      ['java.util.Vector'] = 'Vector',
      ['java.util.concurrent.CopyOnWriteArrayList'] = 'CopyOnWriteArrayList',
      ['java.util.concurrent.LinkedTransferQueue'] = 'java.util.concurrent.LinkedTransferQueue',
      ['demo.MyList'] = 'demo.MyList',
    } do
      local hex = named('ca01', wire, ITEM)
      local list = decode(hex)
      assert.equal(name, values.class_of(list))
      assert.equal(hex, encode(list))
    end
  end)

  it('has a usual class for one that Java cannot make by its name', function()
    for wire, name in pairs {
      ['java.util.ImmutableCollections$List12'] = false,
      ['java.util.ArrayList$SubList'] = false,
      ['java.util.ImmutableCollections$Set12'] = 'java.util.HashSet',
      ['java.util.HashMap$KeySet'] = 'java.util.HashSet',
    } do
      local list = decode(named('ca01', wire, ITEM))
      assert.same({ name or nil, 'k' }, { values.class_of(list), list[1] })
    end
    local map = decode(named('d201', 'java.util.ImmutableCollections$Map1', ENTRY))
    assert.same({ nil, 7 }, { values.class_of(map), map.k })
    local sent = java.list('java.util.Collections$UnmodifiableList', { 'k' })
    assert.equal(named('ca01', 'ArrayList', ITEM), encode(sent))
    sent = java.map('java.util.Collections$EmptyMap', {})
    assert.equal(named('d201', 'HashMap', ''), encode(sent))
  end)

  it('reads what java.util.Collections wraps', function()
    local function seen(hex)
      local value = decode(hex)
      return { values.class_of(value) or 'none', value }
    end
    assert.same({ 'none', values.array {} }, seen 'e001001000')
    assert.same({ 'java.util.HashSet', values.array {} }, seen 'e001000800')
    assert.same({ 'none', { 'k' } }, seen 'e0010020000b4a016b0c')
    assert.same({ 'none', { values.null } }, seen 'e001002000')
    assert.same({ 'java.util.HashSet', { 'k' } }, seen 'e0010018000b4a016b0c')
    assert.same({ 'none', { 'k' } }, seen 'e001005bca010941727261794c6973740b4a016b0c5c')
    assert.same({ 'java.util.HashSet', { 'k' } }, seen 'e0010043ca0107486173685365740b4a016b0c44')
    assert.same({ 'none', { 'k' } }, seen 'e001008301ca010941727261794c6973740b4a016b0c8401')
    assert.same({ 'none', {} }, seen 'e801000800')
    assert.same({ 'none', { k = 7 } }, seen 'e8010010000b4a016b0c1b28071c')
    assert.same({ 'none', { k = 7 } }, seen('e801001b' .. named('d201', 'HashMap', ENTRY) .. '1c'))
    assert.same(
      { 'java.util.TreeMap', { k = 7 } },
      seen('e8010023' .. named('d201', 'TreeMap', ENTRY) .. '24')
    )
    assert.is_false((values.decode('protostuff', bytes_of 'e0010030000802134a016b14')))
    assert.is_false((values.decode('protostuff', bytes_of 'e00100b001')))
    assert.is_false((values.decode('protostuff', bytes_of 'e801004b4c')))
  end)

  it('reads sets and maps of constants', function()
    local color = hex_of 'demo.klass.Color'
    local set = decode(('b20110%s0bc20110%s08010c'):format(color, color))
    assert.same({ 'java.util.LinkedHashSet', 'GREEN' }, { values.class_of(set), set[1].name })
    local map = decode(('ba0110%s0b0bc20110%s08000c132801140c'):format(color, color))
    local constant, value = next(map)
    assert.same({ 'RED', 1 }, { constant.name, value })
    assert.equal('java.util.LinkedHashMap', values.class_of(map))
  end)

  it('keeps the class of an array', function()
    local object, text = hex_of 'java.lang.Object', hex_of 'java.lang.String'
    for name, hex in pairs {
      ['[object'] = ('7a10%s180210010b4a01610c0b28010c'):format(object),
      ['[[object'] = ('7a10%s180110020b7a10%s180110010b4a01610c0c'):format(object, object),
      ['[[int'] = '7a03696e74180310020b8802040802100110feffffffffffffffff010c'
        .. '0b88020408000c0b880204080110030c',
      ['[[[int'] = '7a03696e74180110030b7a03696e74180110020b880204080110010c0c',
      ['[[string'] = ('7a10%s180210020b880210080212016118010c0b88021008011201620c'):format(text),
      ['[[byte'] = '8802120802120101120102',
      ['[java.lang.Integer'] = '88020c080210011801',
      ['[java.lang.Character'] = '88020a08011078',
      ['[date'] = '8802150801110500000000000000',
      ['[java.math.BigDecimal'] = '88021308011203312e35',
      ['[java.util.List'] = '7a0e' .. hex_of 'java.util.List' .. '180110010b' .. named(
        'ca01',
        'ArrayList',
        ITEM
      ) .. '0c',
    } do
      local list = decode(hex)
      assert.equal(name, values.class_of(list))
      assert.equal(hex, encode(list))
    end
  end)

  it('names the arrays in an array', function()
    local hex = '7a03696e74180210020b880204080110010c0b8802040802100210030c'
    assert.equal(hex, encode(java.list('[[int', { { 1 }, { 2, 3 } })))
    local inner = values.typed('demo.klass.Inner', { city = 'x' })
    local name = hex_of 'demo.klass.Inner'
    assert.equal(
      ('7a10%s180110020b9a0210%s0801130a0178140c'):format(name, name),
      encode(java.list('[[demo.klass.Inner', { { inner } }))
    )
  end)

  it('writes fields of arrays as Java declares them', function()
    assert.equal(
      '0b7a03696e74180210020b880204080110010c0b8802040802100210030c0c',
      field_hex(with_field('int[][]', { { 1 }, { 2, 3 } }))
    )
    assert.equal(
      '0b7a10' .. hex_of 'java.lang.Number' .. '180110010b28010c0c',
      field_hex(with_field('java.lang.Number[]', { 1 }))
    )
    local grid = with_field('java.util.List<int[][]>', { { { 1 } } })
    assert.equal('0b7a03696e74180110020b880204080110010c0c', field_hex(grid))
    local bytes = with_field('byte[][][]', { { values.bytes 'a' } })
    assert.equal('0b7a0462797465180110030b8802120801120161' .. '0c0c', field_hex(bytes))
    local any = with_field('T[]', { 1 })
    assert.equal('0b7a10' .. hex_of 'java.lang.Object' .. '180110010b28010c0c', field_hex(any))
  end)

  it('knows the fields that are collections', function()
    local ordered =
      with_field('java.util.SortedMap<java.lang.String, java.lang.Integer>', { k = 1 })
    assert.equal('0b0b0a016b10010c0c', field_hex(ordered))
    assert.equal('0a0161', field_hex(with_field('java.util.Vector<java.lang.String>', { 'a' })))
    local green = java.enum('demo.klass.Color', 'GREEN')
    local set = with_field('java.util.EnumSet<demo.klass.Color>', { green })
    assert.equal('0801', field_hex(set))
  end)

  it('takes the class of the list of arguments for nothing', function()
    local args = '7a10'
      .. hex_of 'java.lang.Object'
      .. '180210010b'
      .. named('ca01', 'ArrayList', ITEM)
      .. '0c0b28010c'
    assert.same({ true, { 'k' }, 1 }, { values.decode_args('protostuff', bytes_of(args)) })
  end)
end)

describe('hessian2', function()
  it('takes the class of the list of arguments for nothing', function()
    local function decode_args(text)
      return { values.decode_args('hessian2', text) }
    end
    assert.same({ true, 'a', { 1, 2 } }, decode_args 'r\7[object\1az\145\146')
    assert.same({ true, { 1, 2 } }, decode_args 'q\7[objectr\4[int\145\146')
    assert.same({ true }, decode_args 'p\7[object')
  end)
end)
