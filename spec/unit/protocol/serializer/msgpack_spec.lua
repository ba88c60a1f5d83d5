-- SPDX-License-Identifier: MIT
local hexes = require 'spec.support.hex'
local values = require 'spec.support.values'

local unhex = hexes.decode

local function hex(value)
  local ok, text, why = values.encode('msgpack', value)
  return ok and hexes.encode(text) or why
end

describe('msgpack', function()
  it('writes the shortest form', function()
    local cases = {
      { 0, '00' },
      { 127, '7f' },
      { 128, 'cc80' },
      { 256, 'cd0100' },
      { 65536, 'ce00010000' },
      { 2 ^ 32, 'cf0000000100000000' },
      { -1, 'ff' },
      { -33, 'd0df' },
      { -129, 'd1ff7f' },
      { -32769, 'd2ffff7fff' },
      { -2 ^ 31 - 1, 'd3ffffffff7fffffff' },
      { true, 'c3' },
      { false, 'c2' },
      { 1.5, 'ca3fc00000' },
      { 0.1, 'cb3fb999999999999a' },
      { 'a', 'a161' },
      { {}, '80' },
      { values.array {}, '90' },
      { { a = 1 }, '81a16101' },
      { { 1, 2 }, '920102' },
      { values.bytes 'x', 'c40178' },
    }
    for _, case in ipairs(cases) do
      assert.equal(case[2], hex(case[1]))
    end
    assert.equal('c0', hex(nil))
  end)

  it('widens the header of a map with more than fifteen entries', function()
    local map = {}
    for i = 1, 16 do
      map['k' .. i] = i
    end
    assert.equal('de0010', hex(map):sub(1, 6))
    local _, back = values.decode('msgpack', unhex(hex { deep = { map } }))
    assert.same({ deep = { map } }, back)
  end)

  it('reads every form of a value', function()
    local cases = {
      ['cc05'] = 5,
      ['cd0005'] = 5,
      ['ce00000005'] = 5,
      ['cf0000000000000005'] = 5,
      ['d0fb'] = -5,
      ['d1fffb'] = -5,
      ['d2fffffffb'] = -5,
      ['d3fffffffffffffffb'] = -5,
      ['d90161'] = 'a',
      ['da000161'] = 'a',
      ['db0000000161'] = 'a',
      ['cb3ff8000000000000'] = 1.5,
    }
    for text, value in pairs(cases) do
      assert.same({ true, value }, { values.decode('msgpack', unhex(text)) })
    end
    for _, text in ipairs { 'dc000101', 'dd0000000101' } do
      assert.same({ true, { 1 } }, { values.decode('msgpack', unhex(text)) })
    end
    for _, text in ipairs { 'de0001a16101', 'df00000001d9016101' } do
      assert.same({ true, { a = 1 } }, { values.decode('msgpack', unhex(text)) })
    end
    for _, text in ipairs { 'c40178', 'c5000178', 'c60000000178' } do
      local _, back = values.decode('msgpack', unhex(text))
      assert.is_true(back == values.bytes 'x')
    end
  end)

  -- values.decode compares what is written into tables as they lie with what the API makes.
  it('keeps the last value of a key that comes twice, none when that is null', function()
    local cases = {
      { '82a16101a16102', { a = 2 } },
      { '83a16101a162c3a161c0', { b = true } },
      { '82a161c0a16101', { a = 1 } },
      { '8201a16102a162', { 'a', 'b' } },
    }
    for _, case in ipairs(cases) do
      assert.same({ true, case[2] }, { values.decode('msgpack', unhex(case[1])) })
    end
  end)

  it('makes tables of any size while the collector comes by', function()
    local list = {}
    for i = 1, 400 do
      local map, items = {}, {}
      for k = 1, i % 40 do
        map['key' .. i .. '.' .. k] = k % 3 == 0 and 'text' .. i * k or k
        items[k] = 'item' .. i * k
      end
      map.items = values.array(items)
      list[i] = map
    end
    local ok, text = values.encode('msgpack', list)
    assert.is_true(ok)
    local before = collectgarbage('setpause', 1)
    local _, back = values.decode('msgpack', text)
    collectgarbage('setpause', before)
    for i = 1, 400 do
      values.array(back[i].items)
    end
    assert.same(list, back)
  end)

  it('refuses a table as a key, as its decoder does', function()
    local why = hex { list = { [{ 1 }] = true } }
    assert.equal('value.list[table]: a table cannot be a key in MessagePack', why)
    assert.equal('value[table]: a table cannot be a key in MessagePack', hex { [{ a = 1 }] = 1 })
  end)

  it('refuses extensions and the unused byte', function()
    for _, text in ipairs { 'd40100', 'd6ff00000000', 'c70001', 'c7', 'c1' } do
      local ok, code = values.decode('msgpack', unhex(text))
      assert.same({ false, 'BAD_REQUEST' }, { ok, code })
    end
    local _, _, why = values.decode('msgpack', '\212\1\0')
    assert.matches('extension types are not supported', why)
  end)

  it('spends nothing on counts that the input cannot carry', function()
    collectgarbage()
    collectgarbage()
    local before = collectgarbage 'count'
    local lies = { 'ddffffffff', 'dfffffffff', 'dd000fffff', 'dbffffffff', 'c6ffffffff' }
    for _, text in ipairs(lies) do
      local ok, code = values.decode('msgpack', unhex(text))
      assert.is_false(ok)
      assert.is_true(code == 'TOO_BIG' or code == 'BAD_REQUEST')
    end
    assert.is_true(collectgarbage 'count' - before < 100)
  end)
end)
