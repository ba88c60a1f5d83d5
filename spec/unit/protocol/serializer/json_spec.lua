-- SPDX-License-Identifier: MIT
local values = require 'spec.support.values'

local function decode(text, int64)
  local ok, value, why = values.decode('json', text, int64)
  return ok, value, why
end

describe('json decoding', function()
  it('accepts what RFC 8259 allows', function()
    local cases = {
      { ' \t\r\n1 \n', 1 },
      { '-0.5e+1', -5 },
      { '1E2', 100 },
      { '1e-2', 0.01 },
      { '0', 0 },
      { '"\\u0041\\ud83d\\ude00\\/\\b\\f\\n\\r\\t\\"\\\\"', 'A😀/\b\f\n\r\t"\\' },
      { '"\\u0000"', '\0' },
      { '"\\uFfFd"', '\239\191\189' },
      { '100000000000000000000', 1e20 },
      { '-9007199254740992', -2 ^ 53 },
      { '2.2250738585072011e-308', 2.2250738585072011e-308 },
      { '0.1000000000000000055511151231257827021181583404541015625', 0.1 },
      { '123456789012345678901234567890e-20', 1234567890.1234567 },
    }
    for _, case in ipairs(cases) do
      local ok, value, why = decode(case[1])
      assert.is_true(ok, why)
      assert.equal(case[2], value)
    end
  end)

  it('refuses everything else and names the offset', function()
    local cases = {
      { '', 0 },
      { ' ', 1 },
      { 'nul', 0 },
      { 'True', 0 },
      { '01', 1 },
      { '+1', 0 },
      { '.5', 0 },
      { '1.', 0 },
      { '1e', 0 },
      { '-', 0 },
      { '[1,]', 3 },
      { '[1 2]', 3 },
      { '[', 1 },
      { ']', 0 },
      { '{"a"}', 4 },
      { '{"a":}', 5 },
      { '{a:1}', 1 },
      { '{"a":1,}', 7 },
      { "'a'", 0 },
      { '"a', 2 },
      { '"\n"', 1 },
      { '"\\x"', 2 },
      { '"\\u12"', 3 },
      { '"\\ud800"', 7 },
      { '"\\udc00"', 3 },
      { '"\\ud800\\u0041"', 7 },
      { '"\255"', 1 },
      { '"ab\192\128"', 3 },
      { '1e999', 0 },
      { '18446744073709551617', 0 },
      { '[NaN]', 1 },
      { '// x\n1', 0 },
      { '1 1', 2 },
      { '\239\187\1911', 0 },
    }
    for _, case in ipairs(cases) do
      local ok, code, why = decode(case[1])
      assert.is_false(ok, case[1])
      assert.equal('BAD_REQUEST', code)
      assert.matches('offset %d+$', why)
    end
    for _, text in ipairs { '[1,]', '"ab\192\128"', '1 1', '{"a"}' } do
      for _, case in ipairs(cases) do
        if case[1] == text then
          assert.matches('offset ' .. case[2] .. '$', (select(3, decode(text))))
        end
      end
    end
  end)

  it('reads integers exactly at the edges of 64 bits', function()
    local function text(number)
      return (select(2, decode(number, 'string')))
    end
    assert.equal('18446744073709551615', text '18446744073709551615')
    assert.equal('-9223372036854775808', text '-9223372036854775808')
    assert.equal(2 ^ 64, text '18446744073709551616')
    assert.equal(-2 ^ 64, text '-18446744073709551616')
    assert.is_false((decode('-9223372036854775809', 'string')))
  end)
end)

describe('json encoding', function()
  it('writes the shortest text that reads back', function()
    local cases = {
      [0.1] = '0.1',
      [1.5] = '1.5',
      [100] = '100',
      [1e15 + 0.5] = '1000000000000000.5',
      [1e21] = '1e+21',
      [123456.789] = '123456.789',
      [5e-324] = '4.94065645841247e-324',
      [0.000123] = '0.000123',
      [2 ^ 53] = '9007199254740992',
      [-2.5] = '-2.5',
    }
    for number, text in pairs(cases) do
      assert.same({ true, text }, { values.encode('json', number) })
    end
  end)

  it('reads back every double it writes', function()
    local ffi = require 'ffi'
    local cell = ffi.new 'union { uint32_t u[2]; double d; }'
    math.randomseed(7)
    for _ = 1, 20000 do
      -- The exponent stays below that of infinity and NaN.
      cell.u[0], cell.u[1] = math.random(0, 2 ^ 32 - 1), math.random(0, 0x7FEFFFFF)
      local number = cell.d
      assert.equal(number, (select(2, decode((select(2, values.encode('json', number)))))))
      number = math.random(-1e9, 1e9) / 10 ^ math.random(0, 12)
      assert.equal(number, (select(2, decode((select(2, values.encode('json', number)))))))
    end
  end)

  it('refuses NaN and infinity', function()
    for _, number in ipairs { 0 / 0, math.huge, -math.huge } do
      local ok, code, why = values.encode('json', { n = number })
      assert.same({ false, 'BAD_REQUEST' }, { ok, code })
      assert.matches('^value%.n: .*cannot be written as JSON', why)
    end
  end)

  it('escapes control characters', function()
    assert.same(
      { true, '"\\u0000\\u001f\\u007f\\b\\f\\n\\r\\t\\"\\\\/"' },
      { values.encode('json', '\0\31\127\b\f\n\r\t"\\/') }
    )
  end)
end)
