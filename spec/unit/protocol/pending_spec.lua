-- SPDX-License-Identifier: MIT
local ffi = require 'ffi'
local c = require 'spec.support.c'

local lib = c.cdef('protocol/pending.h')
ffi.cdef 'void free(void *);'

describe('protocol/pending', function()
  local map, last

  before_each(function()
    map, last = ffi.new('peri_pending *[1]'), ffi.new('uint32_t[1]')
  end)

  after_each(function()
    ffi.C.free(map[0])
  end)

  local function add(id)
    return lib.peri_pending_add(map, last, id or 1)
  end

  local function remove(stream)
    lib.peri_pending_remove(map[0], lib.peri_pending_find(map[0], stream))
  end

  it('counts streams from 1', function()
    assert.equal(1, add())
    assert.equal(2, add())
  end)

  it('finds what was added and nothing else', function()
    for n = 1, 1000 do
      add(n)
    end
    for n = 1, 1000 do
      assert.equal(n, tonumber(lib.peri_pending_find(map[0], n).future))
    end
    assert.is_true(lib.peri_pending_find(map[0], 0) == nil)
    assert.is_true(lib.peri_pending_find(map[0], 1001) == nil)
    assert.is_true(lib.peri_pending_find(map[0], 2 ^ 32 + 1) == nil)
    assert.is_true(lib.peri_pending_find(nil, 1) == nil)
  end)

  it('skips ids whose place a slow call holds', function()
    local slow = add(4711)
    for _ = 1, 1000 do
      remove(add())
    end
    assert.equal(15, map[0].mask)
    assert.equal(4711, tonumber(lib.peri_pending_find(map[0], slow).future))
    assert.equal(1, map[0].count)
  end)

  it('wraps at 2^31 without giving an id twice', function()
    local slow = add(4711)
    last[0] = 2 ^ 31 - 3
    local seen = { [slow] = true }
    for _ = 1, 6 do
      local stream = add()
      assert.is_nil(seen[stream])
      assert.is_true(stream >= 1 and stream <= 2 ^ 31 - 1)
      seen[stream] = true
    end
  end)
end)
