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

  it('knows a protocol by how its URLs begin, and where they lead', function()
    local function of(url)
      local transport = ffi.new('char[32]')
      local found = lib.peri_protocol_of_url(url, transport, 32)
      return found ~= nil and ffi.string(found.name) or 'none', ffi.string(transport)
    end
    assert.same({ 'joyrpc', 'tcp://h:1' }, { of 'joyrpc://h:1' })
    assert.same({ 'joyrpc', 'tcp://h:1' }, { of 'joy://h:1' })
    assert.same({ 'dubbo', 'unix:///a/b' }, { of 'dubbo:///a/b' })
    assert.same({ 'none', 'tcp://h:1' }, { of 'tcp://h:1' })
    for _, url in ipairs { '', '://', 'joyrpc', 'joyrpcs://h', '//h', 'dubb://h' } do
      assert.same({ 'none', url }, { of(url) })
    end
    assert.same({ 'joyrpc', 'tcp://' .. ('h'):rep(25) }, { of('joy://' .. ('h'):rep(99)) })
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
