-- SPDX-License-Identifier: MIT
local ffi = require 'ffi'
local c = require 'spec.support.c'

local lib = c.cdef 'base/buf.h'

describe('base/buf', function()
  it('appends and grows without losing bytes', function()
    local buf, expected = c.buf(), {}
    for i = 1, 1000 do
      local text = tostring(i)
      lib.peri_buf_add(buf, text, #text)
      expected[i] = text
    end
    assert.equal(table.concat(expected), c.string(buf))
    assert.is_true(buf.cap >= buf.len)
  end)

  it('appends nothing without allocating', function()
    local buf = c.buf()
    lib.peri_buf_add(buf, nil, 0)
    assert.equal(0, tonumber(buf.len))
    assert.is_true(buf.data == nil)
  end)

  it('reserves room without changing the length', function()
    local buf = c.buf()
    lib.peri_buf_add_u8(buf, 1)
    local at = lib.peri_buf_reserve(buf, 5000)
    assert.is_true(at == buf.data + 1)
    assert.equal(1, tonumber(buf.len))
    assert.is_true(buf.cap - buf.len >= 5000)
  end)

  it('fills exactly to its capacity', function()
    local buf = c.buf()
    lib.peri_buf_reserve(buf, 1)
    local cap = tonumber(buf.cap)
    for i = 1, cap do
      lib.peri_buf_add_u8(buf, i % 256)
    end
    assert.equal(cap, tonumber(buf.cap))
    lib.peri_buf_add_u8(buf, 7)
    assert.is_true(tonumber(buf.cap) > cap)
    assert.equal(7, buf.data[cap])
  end)

  it('is empty and usable again after fini, and fini is harmless twice', function()
    local buf = c.buf()
    lib.peri_buf_add(buf, 'abc', 3)
    lib.peri_buf_fini(buf)
    lib.peri_buf_fini(buf)
    assert.equal(0, tonumber(buf.cap))
    lib.peri_buf_add(buf, 'xyz', 3)
    assert.equal('xyz', c.string(buf))
  end)

  it('compares bytes', function()
    assert.equal(1, lib.peri_bytes_equal(c.bytes 'moon', c.bytes 'moon'))
    assert.equal(0, lib.peri_bytes_equal(c.bytes 'moon', c.bytes 'noon'))
    assert.equal(0, lib.peri_bytes_equal(c.bytes 'moon', c.bytes 'moo'))
    assert.equal(1, lib.peri_bytes_equal(ffi.new 'peri_bytes', c.bytes ''))
    assert.equal('a\0b', c.string(c.bytes 'a\0b'))
    assert.equal(4, tonumber(lib.peri_bytes_of('moon').len))
  end)

  it('stores and loads big-endian at any alignment', function()
    local at = ffi.new 'uint8_t[16]'
    for shift = 0, 7 do
      lib.peri_put_u16(at + shift, 0xADD0)
      assert.equal('\xAD\xD0', ffi.string(at + shift, 2))
      assert.equal(0xADD0, lib.peri_get_u16(at + shift))
      lib.peri_put_u32(at + shift, 0x01020304)
      assert.equal('\1\2\3\4', ffi.string(at + shift, 4))
      assert.equal(0x01020304, lib.peri_get_u32(at + shift))
      lib.peri_put_u64(at + shift, 0xFFFEFDFCFBFAF9F8ULL)
      assert.equal('\xFF\xFE\xFD\xFC\xFB\xFA\xF9\xF8', ffi.string(at + shift, 8))
      assert.is_true(lib.peri_get_u64(at + shift) == 0xFFFEFDFCFBFAF9F8ULL)
    end
  end)
end)
