-- SPDX-License-Identifier: MIT
-- Protostuff as JoyRPC writes it: bytes seen on its wire, values there and back, and bad input.
local ffi = require 'ffi'
local c = require 'spec.support.c'
local values = require 'spec.support.values'

package.loaded['perilune.core'] = package.loaded['perilune.core'] or values
local java = require 'perilune.protocol.java'

local lib = c.cdef('protocol/serializer.h', 'base/err.h')
local protostuff = lib.peri_serializer_by_name 'protostuff'
local limits = ffi.new('peri_value_limits', 64, 2 ^ 16, 2 ^ 16, 2 ^ 20)

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

local function decode(text, serializer)
  local ok, value, message = values.decode(serializer or 'protostuff', text)
  assert(ok, message)
  return value
end

-- The bytes, or nil and why not.
local function encode(value)
  local ok, text, message = values.encode('protostuff', value)
  return ok and text or nil, message
end

local REQUEST = bytes_of [[
  1a 08 73617948656c6c6f
  23 08 01 12 10 6a6176612e6c616e672e537472696e67 24
  2b 7a 10 6a6176612e6c616e672e4f626a656374 18 01 10 01 0b 4a 05 776f726c64 0c 2c
  33 0b 0a 02 2e68 13 28 01 14 0c 34]]

local function read(kind, body)
  local out = ffi.new(kind == 'request' and 'peri_envelope' or 'peri_reply_envelope')
  local scratch, err = c.buf(), ffi.new 'peri_err'
  local rc = protostuff['read_' .. kind](c.bytes(body), limits, scratch, out, err)
  return rc == 0 and out or nil, rc, scratch
end

values.declare_class('demo.proto.Color', { 'RED', 'GREEN' })
values.declare_class('demo.proto.Inner', { 'city', 'number' }, { 'java.lang.String', 'int' })
values.declare_class(
  'demo.proto.Outer',
  { 'name', 'age', 'wealth', 'color', 'inner', 'tags', 'more', 'counts', 'any', 'list' },
  {
    'java.lang.String',
    'int',
    'java.lang.Long',
    'demo.proto.Color',
    'demo.proto.Inner',
    'java.util.List<java.lang.String>',
    'java.util.Map<java.lang.String, demo.proto.Inner>',
    'int[]',
    'java.lang.Object',
    'java.util.List<demo.proto.Inner>',
  }
)

describe('protostuff', function()
  it('reads a request of Java', function()
    local found = assert(read('request', REQUEST))
    assert.equal('sayHello', c.string(found.method))
    assert.same({ 'world' }, { select(2, values.decode_args('protostuff', c.string(found.args))) })
    assert.same({ ['.h'] = 1 }, decode(c.string(found.attachments), 'msgpack'))
  end)

  it('reads and writes what Java answers', function()
    local found = assert(read('reply', bytes_of '0b 28 07 0c'))
    assert.equal(7, decode(c.string(found.result)))
    assert.equal('2807', hex_of(encode(7)))
    assert.equal('28f9ffffffffffffffff01', hex_of(encode(-7)))
    assert.equal('4a05776f726c64', hex_of(encode('world')))
  end)

  it('brings values back', function()
    for _, value in ipairs {
      true,
      0.5,
      -1,
      2 ^ 40,
      'text \230\156\136',
      { 1, 'two', { 3 } },
      { a = 1, b = { c = 'd' } },
      values.array {},
    } do
      assert.same(value, decode(encode(value)))
    end
    for _, value in ipairs {
      java.decimal '12345678901234567890.125',
      java.bigint '-1267650600228229401496703205376',
      java.bigint '128',
      java.bigint '-128',
      java.date(1600000000123),
    } do
      local back = decode(encode(value))
      assert.equal(values.class_of(value), values.class_of(back))
      assert.equal(tostring(value), tostring(back))
    end
    local ints = encode(java.list('[int', { 1, -2 }))
    assert.same({ 1, -2 }, decode(ints))
    assert.equal('[int', values.class_of(decode(ints)))
    local strings = encode(java.list('[string', { 'a', values.null, 'c' }))
    assert.same({ 'a', values.null, 'c' }, decode(strings))
  end)

  it('brings objects of declared classes back', function()
    local inner = values.typed('demo.proto.Inner', { city = 'London', number = 12 })
    local value = values.typed('demo.proto.Outer', {
      name = 'Ada',
      age = -36,
      wealth = 2 ^ 40,
      color = java.enum('demo.proto.Color', 'GREEN'),
      inner = inner,
      tags = { 'a', 'b' },
      more = { home = inner },
      counts = { 1, 2, 3 },
      any = 'thing',
      list = { inner, inner },
    })
    local back = decode(encode(value))
    assert.equal('demo.proto.Outer', values.class_of(back))
    assert.equal('demo.proto.Inner', values.class_of(back.more.home))
    assert.equal('GREEN', back.color.name)
    assert.same(value, back)
  end)

  it('brings arrays of objects and constants back', function()
    local inner = values.typed('demo.proto.Inner', { city = 'London', number = 12 })
    local places = decode(encode(java.list('[demo.proto.Inner', { inner, values.null, inner })))
    assert.equal('[demo.proto.Inner', values.class_of(places))
    assert.same({ inner, values.null, inner }, places)
    local green = java.enum('demo.proto.Color', 'GREEN')
    local colors = decode(encode(java.list('[demo.proto.Color', { green, green })))
    assert.equal('GREEN', colors[2].name)
    local nobody = values.typed('demo.proto.Nobody', {})
    local _, text = encode(java.list('[demo.proto.Nobody', { nobody }))
    assert.matches('declare the class', text)
  end)

  it('lets no argument take the place of a null before it', function()
    assert.same({ true, 'a', 'b' }, {
      values.decode_args(
        'protostuff',
        (select(2, values.encode_args('protostuff', 'a', 'b', nil)))
      ),
    })
    local ok, _, text = values.encode_args('protostuff', 'a', nil, 'b')
    assert.is_false(ok)
    assert.matches('args%[3%].*an argument that is null', text)
  end)

  it('keeps empty lists apart from empty maps', function()
    local back = decode(encode { a = values.array {}, b = { c = values.array {} } })
    assert.same({ a = values.array {}, b = { c = values.array {} } }, back)
    assert.equal(getmetatable(values.array {}), getmetatable(back.b.c))
  end)

  it('writes maps and objects as keys of a map', function()
    local inner = values.typed('demo.proto.Inner', { city = 'London', number = 12 })
    local outer = values.typed('demo.proto.Outer', { more = { home = inner }, name = 'Ada' })
    for _, key in ipairs { outer, { a = { b = 1 } }, { { c = 2 } } } do
      local seen = {}
      for k, v in pairs(decode(assert(encode(java.entries { { key, 'first' }, { 'b', 2 } })))) do
        seen[v] = k
      end
      assert.same({ first = key, [2] = 'b' }, seen)
    end
  end)

  it('says what is not declared', function()
    local _, text = encode(values.typed('demo.proto.Nobody', { a = 1 }))
    assert.matches('demo.proto.Nobody.*perilune.interface', text)
    local field = values.typed('demo.proto.Inner', { street = 'x' })
    assert.matches('street', (select(2, encode(field))))
    local constant = java.enum('demo.proto.Color', 'BLUE')
    assert.matches('BLUE', (select(2, encode(constant))))
    local number = values.typed('demo.proto.Color', { name = 1 })
    assert.matches('a name and nothing else', (select(2, encode(number))))
  end)

  it('writes exceptions and reads their message and code', function()
    local envelope, out = ffi.new 'peri_reply_envelope', c.buf()
    envelope.failed, envelope.retry, envelope.code = true, true, lib.PERI_EOVERLOADED
    envelope.message = c.bytes 'full'
    assert.equal(0, protostuff.begin_reply(out, envelope))
    assert.equal(0, protostuff.end_reply(out, envelope))
    local found = assert(read('reply', c.string(out)))
    assert.same(
      { true, true, lib.PERI_EOVERLOADED, 'full' },
      { found.failed, found.retry, found.code, c.string(found.message) }
    )
    local thrown = decode(c.string(found.result))
    assert.equal('full', thrown.detailMessage)
  end)

  it('refuses what ends early, and deep nesting', function()
    for length = 1, #REQUEST - 1 do
      local found = read('request', REQUEST:sub(1, length))
      if found then
        values.decode_args('protostuff', c.string(found.args))
      end
    end
    local deep = ('\202\1\9ArrayList\11'):rep(100)
    assert.is_false((values.decode('protostuff', deep)))
    assert.is_false((values.decode('protostuff', '\202\1\9Array')))
    assert.is_nil((read('request', ('\43'):rep(100))))
    assert.is_nil((read('request', '\43\44\44')))
  end)
end)
