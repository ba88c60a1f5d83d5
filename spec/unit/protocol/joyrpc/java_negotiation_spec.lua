-- SPDX-License-Identifier: MIT
-- The negotiation of stock Java consumers, which comes in Java's own serialization.
local c = require 'spec.support.c'
local ffi = require 'ffi'
local golden = require 'spec.support.golden.joyrpc'
local hex = require 'spec.support.hex'
local p = require 'spec.support.protocol'

local lib = c.cdef('protocol/serializer/builtin.h', 'base/err.h')
local json = lib.peri_serializer_by_name 'json'
local limits = ffi.new('peri_value_limits', 64, 2 ^ 20, 2 ^ 16, 8 * 2 ^ 20)
local UP, DOWN = p.UP, p.DOWN

local function bytes()
  return hex.decode(golden.java_negotiation)
end

-- The frame with another body: its length is corrected.
local function with(body)
  local n = 22 + #body
  local head = bytes():sub(1, 24)
  return head:sub(1, 2) .. string.char(0, 0, math.floor(n / 256), n % 256) .. head:sub(7) .. body
end

describe('protocol/joyrpc negotiation in Java serialization', function()
  local rig

  local function hear(sent)
    rig = p.rig { protocol = false }
    rig:send(UP, sent):pump()
    local heard, said = rig:heard(DOWN), rig:wire(DOWN)
    assert.equal(0, rig:free())
    return heard, said
  end

  it('opens the session and is answered in Hessian', function()
    local heard, said = hear(bytes())
    assert.equal('SESSION 1 iface=demo.Probe alias=prod ser=hessian2 native=0\n', heard)
    assert.equal(9, said:byte(9))
    assert.equal(2, said:byte(18))
    assert.truthy(said:find('serialization\7hessian', 1, true))
    assert.falsy(said:find('hessian2', 1, true))
  end)

  it('is refused when it is cut, by closing the connection', function()
    assert.equal('CLOSED PROTOCOL\n', (hear(with(bytes():sub(25, -2)))))
  end)

  local function read(body)
    local out, err = c.buf(), ffi.new 'peri_err'
    local rc =
      lib.peri_serializer_transcode(lib.peri_serializer_java, c.bytes(body), json, limits, out, err)
    return rc == 0 and c.string(out) or nil, ffi.string(err.text)
  end

  it('is read as a map', function()
    local text = assert(read(bytes():sub(25)))
    assert.truthy(text:find('"compressions":["snappy",', 1, true))
    assert.truthy(text:find('"sessionTimeout":"90000"', 1, true))
    assert.truthy(text:find('"compression":null', 1, true))
  end)

  it('is refused cut at any byte, and never reads outside with any byte replaced', function()
    local body = bytes():sub(25)
    local accepted = 0
    for n = 1, #body do
      assert.is_nil((read(body:sub(1, n - 1))), n)
      for _, byte in ipairs { 0, 1, 0x70, 0x71, 0xff } do
        accepted = accepted
          + (read(body:sub(1, n - 1) .. string.char(byte) .. body:sub(n + 1)) and 1 or 0)
      end
    end
    assert.is_true(accepted > 0 and accepted < 5 * #body)
  end)

  it('refuses a class that is its own super class', function()
    local body = 'aced0005 73 72 0001 61 0000000000000000 02 0000 78 71 007e0000'
    local text, why = read(hex.decode(body))
    assert.is_nil(text)
    assert.truthy(why:find('no such class', 1, true))
  end)
end)
