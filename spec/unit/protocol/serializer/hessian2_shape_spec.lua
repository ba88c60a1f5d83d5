-- SPDX-License-Identifier: MIT
-- Classes that came before are known by their bytes: what is made of them must not differ.
local ffi = require 'ffi'
local c = require 'spec.support.c'
local values = require 'spec.support.values'

local lib = c.cdef('protocol/serializer.h', 'base/err.h')
local typed = values.typed

local function encode(value)
  local ok, text, why = values.encode('hessian2', value)
  assert(ok, why)
  return text
end

local function decode(text, limits)
  return values.decode('hessian2', text, nil, limits)
end

local function decoded(text)
  local ok, value, why = decode(text)
  assert(ok, why)
  return value
end

-- Definitions count from their second time on.
local function learn(text)
  for _ = 1, 3 do
    decoded(text)
  end
end

local function to_json(text)
  local limits = ffi.new('peri_value_limits', 64, 1000, 1000, 1000)
  local out, err = c.buf(), ffi.new 'peri_err'
  local from, to = lib.peri_serializer_by_name 'hessian2', lib.peri_serializer_by_name 'json'
  local rc = lib.peri_serializer_transcode(from, c.bytes(text), to, limits, out, err)
  return rc == 0 and c.string(out) or ffi.string(err.text)
end

describe('hessian2, classes that came before', function()
  it('makes tables that take more keys, and are collected, as any other', function()
    local fields = {}
    for i = 1, 40 do
      fields['f' .. i] = i % 3 == 0 and { i } or i % 3 == 1 and 'text' .. i or i
    end
    local text = encode { typed('shape.G', fields), typed('shape.G', fields) }
    learn(text)
    local kept = {}
    for round = 1, 50 do
      local value = decoded(text)[2]
      kept[round] = value
      for i = 1, round do
        value['more' .. i] = i
      end
      value.f1, value.f2 = nil, nil
      collectgarbage('step', 10)
    end
    collectgarbage()
    for round = 1, 50 do
      local value = kept[round]
      local count = 0
      for key, is in pairs(value) do
        count = count + 1
        assert.same(fields[key] or tonumber(key:match 'more(%d+)'), is)
      end
      assert.equal(38 + round, count)
      assert.equal('shape.G', values.class_of(value))
    end
  end)

  it('finds room for all values of a wide object when the collector shrank the stack', function()
    local fields = {}
    for i = 1, 62 do
      fields['f' .. i] = i < 10 and 'text' .. i or i
    end
    local text = encode(typed('shape.Room', fields))
    learn(text)
    for i = 1, 2000 do
      local other = text:gsub('text', ('%04d'):format(i))
      local value = coroutine.wrap(function()
        return decoded(other)
      end)()
      assert.equal(('%04d9'):format(i), value.f9)
      assert.equal(62, value.f62)
    end
  end)

  it('tells short strings apart that come again, and those that only look alike', function()
    local list = {}
    for len = 0, 40 do
      local text = ('abcdefgh'):rep(5):sub(1, len)
      list[#list + 1] = text
      for at = 1, len do
        list[#list + 1] = text:sub(1, at - 1) .. '\0' .. text:sub(at + 1)
      end
    end
    local text = encode(typed('shape.Texts', { list = list, map = { key = 'value' } }))
    for _ = 1, 6 do
      local back = decoded(text)
      assert.same(list, back.list)
      assert.same({ key = 'value' }, back.map)
      collectgarbage()
    end
  end)

  it('sees metamethods in tables that came so', function()
    local text = encode(typed('shape.Meta', { __index = { found = 'yes' } }))
    for _ = 1, 4 do
      assert.equal('yes', setmetatable({}, decoded(text)).found)
    end
  end)

  it('takes the last of two fields of one name', function()
    local text = 'C\9shape.Two\147\1a\1b\1a`\145\146\147'
    for _ = 1, 4 do
      assert.same({ a = 3, b = 2 }, decoded(text))
    end
    local absent = 'C\9shape.Two\147\1a\1b\1a`\145\146N'
    for _ = 1, 4 do
      assert.same({ b = 2 }, decoded(absent))
    end
  end)

  it('makes the same of them each time', function()
    local value = {
      typed('shape.A', { name = 'x', inner = typed('shape.B', { n = 1, list = { 1, 'two' } }) }),
      typed('shape.B', { n = 2, list = { typed('shape.A', { name = 'y', inner = 5 }) } }),
      typed('shape.Empty', {}),
      typed('shape.A', { name = 'z', inner = false }),
    }
    local text = encode(value)
    for _ = 1, 4 do
      local back = decoded(text)
      assert.same(value, back)
      assert.equal('shape.A', values.class_of(back[2].list[1]))
      assert.equal('shape.Empty', values.class_of(back[3]))
    end
  end)

  it('writes the same each time, also where tables of one class have two orders', function()
    local function order(object)
      local keys = {}
      for key in pairs(object) do
        keys[#keys + 1] = key
      end
      return table.concat(keys)
    end
    local function object(class, room)
      local made = typed(class, {})
      for i = 1, room do
        made['more' .. i] = i
      end
      for i = 1, room do
        made['more' .. i] = nil
      end
      for i, key in ipairs { 'a', 'b', 'c', 'd', 'e', 'f' } do
        made[key] = i
      end
      return made
    end
    local value, orders = {}, {}
    for class = 1, 150 do -- more than are remembered, some in one place
      for _, room in ipairs { 0, 100 } do
        local made = object('shape.Order' .. class, room)
        orders[order(made)] = true
        value[#value + 1] = made
      end
    end
    assert.is_truthy(next(orders, (next(orders))), 'all have one order')
    local few =
      { value[1], value[2], value[3], value[1], value[4], typed('shape.Order1', { z = 1 }) }
    local text, brief = encode(value), encode(few)
    for _ = 1, 6 do
      assert.equal(text, encode(value))
      assert.equal(brief, encode(few))
      collectgarbage()
    end
    assert.same(value, decoded(text))
    assert.same(few, decoded(brief))
  end)

  it('tells classes of one name apart', function()
    local texts = {}
    for i, fields in ipairs { { a = 1 }, { b = 2 }, { a = 1, b = 2 }, { c = 'x' } } do
      texts[i] = { encode(typed('shape.Same', fields)), fields }
    end
    for round = 1, 6 do
      for i, case in ipairs(texts) do
        assert.same(case[2], decoded(case[1]))
        if round > 3 then
          learn(texts[(round + i) % #texts + 1][1])
        end
      end
    end
  end)

  it('takes more classes than it remembers, in one body and in many', function()
    local many = {}
    for i = 1, 300 do
      many[i] = typed('shape.Many' .. i, { ['f' .. i] = i, common = typed('shape.In', { i = i }) })
    end
    local text = encode(many)
    for _ = 1, 4 do
      assert.same(many, decoded(text))
    end
    for i = 1, 300 do
      local one = encode(many[i])
      learn(one)
      assert.same(many[i], decoded(one))
    end
    assert.same(many, decoded(text))
  end)

  it('makes wide objects at once, whatever their fields are called', function()
    local function wide(prefix, count)
      local fields = {}
      for i = 1, count do
        fields[prefix .. i] = i % 3 == 0 and { i } or i
      end
      return fields
    end
    local value = {}
    for i, prefix in ipairs { 'f', "']=os.exit(),['", 'line\n', '\\', 'é', 'end ' } do
      for _, count in ipairs { 8, 20, 64, 65 } do
        local fields = wide(prefix, count)
        fields[prefix .. 1] = typed('shape.Inner' .. i, wide('g', 9))
        value[#value + 1] = typed(('shape.Wide%d_%d'):format(i, count), fields)
      end
    end
    local text = encode(value)
    for _ = 1, 4 do
      local back = decoded(text)
      assert.same(value, back)
      for i = 1, #value do
        assert.equal(values.class_of(value[i]), values.class_of(back[i]))
      end
    end
    local shared = typed('shape.Inner1', wide('g', 9))
    shared.g1 = shared
    local twice = encode { shared, shared }
    learn(twice)
    local back = decoded(twice)
    assert.is_true(rawequal(back[1], back[2]) and rawequal(back[1], back[1].g1))
    local nulls = 'C\8shape.Nu\153'
      .. '\1a\1b\1c\1d\1e\1f\1g\1h\1i'
      .. '`'
      .. ('N'):rep(8)
      .. '\145'
    learn(nulls)
    assert.same({ i = 1 }, decoded(nulls))
    for len = 1, #nulls - 1 do
      assert.is_false((decode(nulls:sub(1, len))))
    end
  end)

  it('leaves null out, and knows itself again', function()
    local self = typed('shape.Self', { name = 'x' })
    self.self = self
    local text = encode(self)
    learn(text)
    local back = decoded(text)
    assert.is_true(rawequal(back, back.self))
    local absent = 'C\8shape.No\146\1a\1b`N\145'
    learn(absent)
    assert.same({ b = 1 }, decoded(absent))
    assert.is_nil(rawget(decoded(absent), 'a'))
  end)

  it('holds limits and ends of input as before', function()
    local text = encode(typed('shape.Limit', { first_field = 1, other = { 1, 2 } }))
    local results = {}
    for round = 1, 4 do
      local seen = {}
      for len = 0, #text - 1 do
        local ok, code = decode(text:sub(1, len))
        seen[#seen + 1] = tostring(ok) .. code
      end
      for elements = 0, 8 do
        local ok, code = decode(text, { elements = elements })
        seen[#seen + 1] = tostring(ok) .. (ok and '' or code)
      end
      for string = 0, 12 do
        local ok, code = decode(text, { string = string })
        seen[#seen + 1] = tostring(ok) .. (ok and '' or code)
      end
      results[round] = table.concat(seen, ' ')
      learn(text)
    end
    for round = 2, 4 do
      assert.equal(results[1], results[round])
    end
  end)

  it('carries their fields into formats that name them', function()
    local value = { typed('shape.J', { a = 1 }), typed('shape.J', { a = 2 }) }
    local text = encode(value)
    learn(text)
    assert.equal('[{"a":1},{"a":2}]', to_json(text))
  end)

  it('writes an object that differs from those before it', function()
    local function object(extra)
      local fields = { name = 'x', size = 1 }
      for k, v in pairs(extra or {}) do
        fields[k] = v
      end
      return typed('shape.W', fields)
    end
    for _ = 1, 6 do
      assert.same(object(), decoded(encode(object())))
    end
    local others = { { more = true }, { name = 5 }, { size = { 1 } }, { zip = 'z', a = 1 }, {} }
    for round = 1, 12 do
      local extra = others[round % #others + 1]
      assert.same(object(extra), decoded(encode(object(extra))))
      collectgarbage()
    end
    assert.same(typed('shape.W', { size = 2 }), decoded(encode(typed('shape.W', { size = 2 }))))
    local ok, code, why = values.encode('hessian2', object { [7] = 1 })
    assert.same({ false, 'BAD_REQUEST' }, { ok, code })
    assert.matches('named by strings', why)
    ok, code, why = values.encode('hessian2', { object { name = print } })
    assert.same({ false, 'BAD_REQUEST' }, { ok, code })
    assert.matches('value[1].name: function cannot be encoded', why, 1, true)
  end)

  it('writes them for each kind of peer as that one reads it', function()
    local date = typed('java.time.LocalDate', { year = 2024, month = 2, day = 29 })
    local names = {}
    for _ = 1, 4 do
      for _, name in ipairs { 'hessian2', 'hessian2@dubbo' } do
        local ok, text, why = values.encode(name, { date, date })
        assert(ok, why)
        assert.equal(names[name] or text, text)
        names[name] = text
      end
    end
    assert.truthy(names.hessian2:find('io.joyrpc.com.caucho', 1, true))
    assert.is_nil(names['hessian2@dubbo']:find('io.joyrpc', 1, true))
  end)
end)
