-- SPDX-License-Identifier: MIT
local ffi = require 'ffi'
local c = require 'spec.support.c'
local child = require 'spec.support.child'

local lib = c.cdef 'base/slots.h'
local PER_CHUNK = c.macro('base/slots.h', 'PERI_SLOTS_PER_CHUNK')

describe('base/slots', function()
  local slots, id

  before_each(function()
    slots, id = ffi.new 'peri_slots', ffi.new 'peri_id[1]'
    lib.peri_slots_init(slots, 12, 1000)
  end)

  after_each(function()
    lib.peri_slots_fini(slots)
  end)

  local function take()
    local item = lib.peri_slots_take(slots, id)
    return item ~= nil and ffi.cast('uint8_t *', item) or nil, id[0]
  end

  it('finds an object by its id', function()
    local item, one = take()
    item[0] = 42
    assert.is_true(one ~= 0)
    assert.is_true(lib.peri_slots_get(slots, one) == ffi.cast('void *', item))
    assert.equal(1, slots.live)
  end)

  it('never hands out 0 and finds nothing for it', function()
    assert.is_true(lib.peri_slots_get(slots, 0) == nil)
    take()
    assert.is_true(lib.peri_slots_get(slots, 0) == nil)
  end)

  it('finds nothing for an id that is over, even when its slot lives again', function()
    local _, old = take()
    lib.peri_slots_release(slots, old)
    assert.is_true(lib.peri_slots_get(slots, old) == nil)
    local item, new = take()
    assert.is_true(new ~= old)
    assert.is_true(ffi.cast('uint32_t', new) == ffi.cast('uint32_t', old))
    assert.is_true(lib.peri_slots_get(slots, old) == nil)
    assert.is_true(lib.peri_slots_get(slots, new) == ffi.cast('void *', item))
  end)

  it('gives zeroed objects, the reused ones too', function()
    local item, first = take()
    ffi.fill(item, 12, 0xff)
    lib.peri_slots_release(slots, first)
    item = take()
    assert.equal(('\0'):rep(12), ffi.string(item, 12))
  end)

  it('finds nothing for ids it never gave', function()
    local _, one = take()
    assert.is_true(lib.peri_slots_get(slots, one + 1) == nil)
    assert.is_true(lib.peri_slots_get(slots, one + 0x100000000ULL) == nil)
    assert.is_true(lib.peri_slots_get(slots, 0xffffffffffffffffULL) == nil)
  end)

  it('stops at its limit and goes on after a release', function()
    lib.peri_slots_init(slots, 12, 2)
    local _, one = take()
    take()
    assert.is_nil(take())
    assert.equal(2, slots.live)
    lib.peri_slots_release(slots, one)
    assert.is_not_nil(take())
    assert.is_nil(take())
  end)

  it('never moves an object when it grows', function()
    local items, ids = {}, {}
    for i = 1, PER_CHUNK * 3 do
      items[i], ids[i] = take()
      ffi.cast('uint32_t *', items[i])[0] = i
    end
    assert.equal(3, slots.chunks)
    for i = 1, #items do
      assert.is_true(lib.peri_slots_get(slots, ids[i]) == ffi.cast('void *', items[i]))
      assert.equal(i, ffi.cast('uint32_t *', items[i])[0])
    end
  end)

  it('reuses released slots before fresh ones', function()
    local ids = {}
    for i = 1, 10 do
      local _, one = take()
      ids[i] = one
    end
    for i = 1, 10 do
      lib.peri_slots_release(slots, ids[i])
    end
    for _ = 1, 10 do
      take()
    end
    assert.equal(10, slots.fresh)
    assert.equal(10, slots.live)
  end)

  it('finds nothing after fini', function()
    local _, one = take()
    lib.peri_slots_fini(slots)
    assert.is_true(lib.peri_slots_get(slots, one) == nil)
    assert.equal(0, slots.live)
  end)

  it('ends the process when an id is released twice', function()
    local exit = child.lua [[
      local ffi, c = require 'ffi', require 'spec.support.c'
      local lib = c.cdef 'base/slots.h'
      local slots, id = ffi.new 'peri_slots', ffi.new 'peri_id[1]'
      lib.peri_slots_init(slots, 8, 4)
      lib.peri_slots_take(slots, id)
      lib.peri_slots_release(slots, id[0])
      lib.peri_slots_release(slots, id[0])
    ]]
    assert.equal('ABRT', exit.signal, exit.output)
    assert.matches('check failed', exit.output)
  end)
end)
