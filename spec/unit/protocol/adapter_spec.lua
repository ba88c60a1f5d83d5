-- SPDX-License-Identifier: MIT
local ffi = require 'ffi'
local p = require 'spec.support.protocol'

local lib = p.lib

describe('protocol/adapter', function()
  local function match(bytes, allowed)
    local more = ffi.new('bool[1]')
    local list
    if allowed then
      list = ffi.new('const char *[?]', #allowed + 1)
      for i, name in ipairs(allowed) do
        list[i - 1] = name
      end
    end
    local found = lib.peri_adapter_match(list, ffi.cast('const uint8_t *', bytes), #bytes, more)
    return found ~= nil and ffi.string(found.name) or nil, more[0]
  end

  it('knows a protocol by its first bytes, however they come', function()
    assert.same({ nil, true }, { match '\xad' })
    assert.equal('joyrpc', (match '\xad\xd0'))
    assert.equal('joyrpc', (match '\xad\xd0\0\0\0\22'))
  end)

  it('says no as soon as nobody can match', function()
    for _, bytes in ipairs { '\0', '\xad\0', '\xda\xbc', '\x16\3\1' } do
      local found, more = match(bytes)
      assert.is_nil(found)
      assert.is_false(more)
    end
  end)

  it('asks only the protocols that are allowed', function()
    assert.equal('joyrpc', (match('\xad\xd0', { 'http', 'joyrpc' })))
    local found, more = match('\xad\xd0', { 'http' })
    assert.is_nil(found)
    assert.is_false(more)
    assert.is_nil((match('\xad\xd0', {})))
  end)

  it('keeps one protocol per name', function()
    assert.equal(
      lib.PERI_EALREADY_EXISTS,
      lib.peri_protocol_add(lib.peri_protocol_by_name('joyrpc'))
    )
    assert.is_true(lib.peri_protocol_by_name('none') == nil)
    assert.is_true(lib.peri_protocol_at(1000) == nil)
  end)
end)
