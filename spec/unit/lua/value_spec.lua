-- SPDX-License-Identifier: MIT
local values = require 'spec.support.values'

local function json(value)
  local ok, text, why = values.encode('json', value)
  return ok and text or why
end

describe('tables in memory', function()
  -- values.encode and decode compare both ways; this is for the way that needs no API.
  it('lie there as they are expected to in the LuaJIT of this machine', function()
    local reads, makes = values.raw()
    assert.is_true(jit.arch ~= 'x64' or reads)
    assert.is_true(jit.arch ~= 'x64' or makes)
  end)
end)

describe('perilune.null', function()
  it('is the null of lua-cjson too', function()
    assert.equal(require('cjson').null, values.null)
  end)
end)

describe('perilune.array', function()
  it('marks a table as a list and returns it', function()
    local t = {}
    assert.equal(t, values.array(t))
    assert.equal('[]', json(t))
    assert.equal('[]', json(values.array()))
  end)

  it('refuses a table with a metatable of its own', function()
    assert.has_error(function()
      values.array(setmetatable({}, {}))
    end)
  end)
end)

describe('an unmarked table', function()
  it('is a list when its keys are 1..n', function()
    assert.equal('[1,2]', json { 1, 2 })
    local reversed = {}
    for i = 3, 1, -1 do
      reversed[i] = i
    end
    assert.equal('[1,2,3]', json(reversed))
  end)

  it('is a map otherwise', function()
    assert.equal('{}', json {})
    assert.equal('{"a":1}', json { a = 1 })
    for _, value in ipairs { { 1, a = 2 }, { [0] = 0, 1 }, { [1.5] = 1, 1 }, { [2] = 1 } } do
      assert.matches('keys of a JSON object are strings', json(value))
    end
  end)

  it('may have keys of any scalar type where the format has', function()
    local value = { [1.5] = 'a', [true] = 'b', [-7] = 'c', x = 'd', [1] = 'e' }
    local ok, text = values.encode('msgpack', value)
    assert.is_true(ok)
    assert.same({ true, value }, { values.decode('msgpack', text) })
  end)

  it('loses no key, however the keys lie', function()
    for i = 1, 100 do
      local value = {}
      for j = 1, 3 do
        value['k' .. i .. j] = j
      end
      value[1] = 'one' -- in the hash part, often behind all others
      local ok, text = values.encode('msgpack', value)
      assert.is_true(ok)
      assert.same({ true, value }, { values.decode('msgpack', text) })
      local more = { 1, 2 }
      more['k' .. i] = 'x'
      more[3] = 3
      assert.matches('keys of a JSON object are strings', json(more))
    end
  end)

  it('names a hole', function()
    local list = { 1, 2, 3, 4 }
    list[2] = nil
    assert.equal(4, #list)
    assert.matches('value%[2%]: a hole in a list', json(list))
  end)
end)

describe('perilune.bytes', function()
  local bytes = values.bytes

  it('has length, text and equality', function()
    local b = bytes '\0\1\255'
    assert.equal('\0\1\255', tostring(b))
    assert.equal('\0\1\255', b:string())
    assert.equal(3, b:len())
    assert.is_true(b == bytes '\0\1\255')
    assert.is_false(b == bytes '')
  end)

  it('stays binary in msgpack and is base64 in JSON', function()
    for _, text in ipairs { '', 'a', 'ab', 'abc', 'abcd', ('\255'):rep(300) } do
      local _, packed = values.encode('msgpack', { bytes(text) })
      local _, back = values.decode('msgpack', packed)
      assert.is_true(back[1] == bytes(text))
    end
    assert.equal('""', json(bytes ''))
    assert.equal('"Zg=="', json(bytes 'f'))
    assert.equal('"Zm8="', json(bytes 'fo'))
    assert.equal('"Zm9v/+8="', json(bytes 'foo\255\239'))
  end)
end)

describe('perilune.typed', function()
  it('carries a class beside the fields', function()
    local t = values.typed('demo.User', { name = 'moon' })
    assert.equal('demo.User', values.class_of(t))
    assert.equal('{"name":"moon"}', json(t))
    assert.is_nil(values.class_of {})
    assert.is_nil(values.class_of 'x')
    assert.equal(1, select('#', values.class_of 'x'))
  end)

  it('keeps a list a list', function()
    local t = values.typed('demo.Set', values.array {})
    assert.equal('[]', json(t))
    assert.equal('demo.Set', values.class_of(t))
  end)
end)

describe('decoding', function()
  it('leaves nothing on the stack after a failure', function()
    -- decode() returns exactly three values then; junk would show up as more.
    assert.equal(3, select('#', values.decode('json', '[[[[1,{"a":[1,}')))
    assert.equal(3, select('#', values.decode_args('json', '[1,2,"x",{]')))
  end)

  it('bounds the number of arguments', function()
    local ok, code = values.decode_args('json', '[' .. ('1,'):rep(200) .. '1]')
    assert.same({ false, 'TOO_BIG' }, { ok, code })
    assert.equal(201, select('#', values.decode_args('json', '[' .. ('1,'):rep(199) .. '1]')))
  end)

  it('refuses keys that a Lua table cannot have', function()
    for _, text in ipairs { '\129\192\1', '\129\202\127\192\0\0\1', '\129\144\1', '\129\128\1' } do
      local ok, code = values.decode('msgpack', text)
      assert.same({ false, 'BAD_REQUEST' }, { ok, code })
    end
  end)
end)

describe('deep values in a small coroutine', function()
  it('come and go', function()
    for _, limit in ipairs { 1, 30, 64 } do
      local deep = ('['):rep(limit) .. (']'):rep(limit)
      local same = coroutine.wrap(function()
        local ok, value, why = values.decode('json', deep)
        assert.is_true(ok, why)
        return (select(2, values.encode('json', value)))
      end)()
      assert.equal(deep, same)
    end
  end)
end)
