-- SPDX-License-Identifier: MIT
-- What every compression owes: the plain text comes back, and no input costs more than the limit.
local ffi = require 'ffi'
local c = require 'spec.support.c'

local lib = c.cdef('protocol/compression.h', 'protocol/plugin.h', 'base/err.h')
local ebad, ebig = lib.PERI_EBAD_REQUEST, lib.PERI_ETOO_BIG

local MIB = 2 ^ 20

local function compress(codec, text)
  local out = c.buf()
  assert.equal(0, codec.compress(c.bytes(text), out))
  return c.string(out)
end

-- Decompresses behind a prefix that must stay.
local function decompress(codec, text, max)
  local out = c.buf()
  lib.peri_buf_add(out, 'head', 4)
  local rc = codec.decompress(c.bytes(text), max, out)
  local all = c.string(out)
  assert.equal('head', all:sub(1, 4))
  if rc ~= 0 then
    assert.equal(4, #all)
  end
  return rc, all:sub(5), tonumber(out.cap)
end

local function noise(length)
  math.randomseed(11)
  local parts = {}
  for i = 1, length do
    parts[i] = string.char(math.random(0, 255))
  end
  return table.concat(parts)
end

local texts = {
  '',
  'a',
  ('a'):rep(15),
  ('ab'):rep(5000),
  noise(3),
  noise(70000),
  ('x'):rep(300000),
  ('{"id":12345,"name":"moon","tags":[1,2,3]},'):rep(2000),
  noise(1000) .. ('y'):rep(1000) .. noise(1000),
}

-- The plugin of examples/c-plugin owes the same as the built-in ones.
local function load_example()
  if lib.peri_compression_by_name 'brotli' == nil then
    local object = os.tmpname()
    local flags = '-std=c11 -shared -fPIC $(pkg-config --cflags --libs libbrotlienc libbrotlidec)'
    local command = 'cc -o %s %s/examples/c-plugin/brotli.c -I%s/src %s'
    assert.equal(0, os.execute(command:format(object, c.root, c.root, flags)))
    local err = ffi.new 'peri_err'
    local rc = lib.peri_plugin_load(object, 'compression', 'brotli', err)
    assert.equal(0, rc, ffi.string(err.text))
    os.remove(object)
  end
end

local NAMES = { 'lz4', 'snappy', 'zlib', 'gzip', 'zstd', 'lzma', 'lz4f', 'snappyf', 'brotli' }

for _, name in ipairs(NAMES) do
  describe('compression ' .. name, function()
    local codec

    setup(function()
      if name == 'brotli' then
        load_example()
      end
      codec = lib.peri_compression_by_name(name)
    end)

    it('is found by name and id', function()
      assert.equal(name, ffi.string(codec.name))
      assert.equal(codec, lib.peri_compression_by_id(codec.id))
    end)

    it('gives the plain text back', function()
      for _, text in ipairs(texts) do
        local rc, plain = decompress(codec, compress(codec, text), #text)
        assert.equal(0, rc)
        assert.is_true(plain == text)
      end
    end)

    it('makes repetition smaller', function()
      assert.is_true(#compress(codec, texts[4]) < #texts[4] / 10)
    end)

    it('holds the limit to the byte', function()
      for _, text in ipairs(texts) do
        if #text > 0 then
          local rc = decompress(codec, compress(codec, text), #text - 1)
          assert.equal(ebig, rc)
        end
      end
    end)

    it('answers a bomb with TOO_BIG and little memory', function()
      local bomb = compress(codec, ('\0'):rep(64 * MIB))
      local rc, _, cap = decompress(codec, bomb, 1 * MIB)
      assert.equal(ebig, rc)
      assert.is_true(cap <= 4 * MIB)
    end)

    it('refuses every truncation', function()
      local text = compress(codec, texts[9]:sub(900, 1200) .. texts[4]:sub(1, 200))
      for length = 0, #text - 1 do
        local rc, plain = decompress(codec, text:sub(1, length), MIB)
        assert.is_true(rc == ebad or (rc == 0 and #plain < 501), name .. ' at ' .. length)
      end
    end)

    it('refuses bytes after the end', function()
      local rc = decompress(codec, compress(codec, texts[4]) .. 'x', MIB)
      assert.equal(ebad, rc)
    end)

    it('survives any byte changed', function()
      local text = compress(codec, texts[4]:sub(1, 100) .. texts[9]:sub(950, 1050))
      for i = 1, #text do
        for _, byte in ipairs { 0, 1, 0x0F, 0x7F, 0x80, 0xF0, 0xFF } do
          decompress(codec, text:sub(1, i - 1) .. string.char(byte) .. text:sub(i + 1), MIB)
        end
      end
    end)
  end)
end

describe('snappy', function()
  it('does not believe a size that the input cannot yield', function()
    local codec = lib.peri_compression_by_name 'snappy'
    local rc, _, cap = decompress(codec, '\255\255\255\3' .. 'abcdef', 64 * MIB)
    assert.equal(ebad, rc)
    assert.is_true(cap < 4096)
  end)
end)

describe('snappyf', function()
  local codec = lib.peri_compression_by_name 'snappyf'
  local head = '\255\6\0\0sNaPpY'
  -- The check value of CRC-32C, masked.
  local chunk, crc = '\1\13\0\0', '\229\176\138\199'

  it('writes the identifier and checksums of the format', function()
    assert.equal(head .. chunk .. crc .. '123456789', compress(codec, '123456789'))
  end)

  it('reads what may stand between, and a checksum left 0', function()
    local skipped = '\254\2\0\0xx' .. head .. '\128\0\0\0'
    local text = head .. skipped .. chunk .. '\0\0\0\0' .. '123456789'
    assert.same(
      { 0, '123456789' },
      { (decompress(codec, text, 9)), (select(2, decompress(codec, text, 9))) }
    )
  end)

  it('refuses wrong checksums, unknown chunks and large ones', function()
    local large = '\1\5\0\1' .. '\0\0\0\0' .. ('x'):rep(65537)
    local wrong = chunk .. '\1\2\3\4' .. '123456789'
    for _, rest in ipairs { wrong, '\2\0\0\0', '\1\3\0\0abc', large } do
      assert.equal(ebad, (decompress(codec, head .. rest, MIB)))
    end
    assert.equal(ebad, (decompress(codec, chunk .. crc .. '123456789', MIB)))
  end)

  it('refuses a rest that is less than the head of a chunk', function()
    for _, kind in ipairs { '\0', '\1', '\128', '\254', '\255' } do
      for n = 0, 2 do
        assert.equal(ebad, (decompress(codec, head .. kind .. ('\0'):rep(n), MIB)))
      end
    end
  end)
end)

describe('the registry of compressions', function()
  it('lists them and refuses a second of a name', function()
    local n = 0
    while lib.peri_compression_at(n) ~= nil do
      n = n + 1
    end
    assert.is_true(n >= 5)
    assert.is_true(lib.peri_compression_by_name 'broccoli' == nil)
    assert.is_true(lib.peri_compression_by_id(99) == nil)
    assert.equal(lib.PERI_EALREADY_EXISTS, lib.peri_compression_add(lib.peri_compression_at(0)))
  end)
end)
