-- SPDX-License-Identifier: MIT
local ffi = require 'ffi'
local c = require 'spec.support.c'
local leak = require 'spec.support.leak'

local lib = c.cdef 'base/block.h'

local function count()
  return tonumber(lib.peri_block_count())
end

describe('base/block', function()
  leak.watch()

  it('lives until its last reference', function()
    local before = count()
    local block = lib.peri_block_new(64)
    assert.equal(1, block.refs)
    assert.equal(64, block.cap)
    assert.equal(0, block.used)
    assert.is_true(lib.peri_block_ref(block) == block)
    lib.peri_block_unref(block)
    assert.equal(before + 1, count())
    assert.equal(1, block.refs)
    lib.peri_block_unref(block)
    assert.equal(before, count())
  end)

  it('counts bytes by capacity', function()
    local before = lib.peri_block_bytes()
    local block = lib.peri_block_new(1000)
    assert.equal(1000, tonumber(lib.peri_block_bytes() - before))
    lib.peri_block_unref(block)
    assert.is_true(lib.peri_block_bytes() == before)
  end)

  it('copies bytes', function()
    local block = lib.peri_block_copy(c.bytes 'mo\0on')
    assert.equal(5, block.used)
    assert.equal('mo\0on', ffi.string(block.data, block.used))
    lib.peri_block_unref(block)
  end)

  it('copies nothing', function()
    local block = lib.peri_block_copy(ffi.new 'peri_bytes')
    assert.equal(0, block.used)
    assert.equal(0, block.cap)
    lib.peri_block_unref(block)
  end)

  it('tolerates the absence of a block', function()
    lib.peri_block_unref(nil)
  end)
end)
