-- SPDX-License-Identifier: MIT
-- Debug builds stop at the first use of a handle by a thread that does not own it.
local child = require 'spec.support.child'

-- Calls a C function of one pointer on another thread, and waits for it.
local SCRIPT = [[
  local ffi = require 'ffi'
  local c = require 'spec.support.c'
  local lib = c.cdef('transport/loop.h', 'base/slots.h')
  ffi.cdef 'int pthread_create(unsigned long *id, const void *attr, void *run, void *arg);'
  ffi.cdef 'int pthread_join(unsigned long id, void **result);'
  local function elsewhere(run, what)
    local id = ffi.new 'unsigned long[1]'
    assert(ffi.C.pthread_create(id, nil, ffi.cast('void *', run), what) == 0)
    ffi.C.pthread_join(id[0], nil)
  end
  local loop, slots = ffi.new 'peri_loop', ffi.new 'peri_slots'
  assert(lib.peri_loop_init(loop) == 0)
  lib.peri_slots_init(slots, 8, 8)
  %s
  print 'still there'
]]

local function run(text)
  return child.lua(SCRIPT:format(text))
end

describe('an owner', function()
  it('uses what is its own', function()
    local exit = run [[
      lib.peri_loop_want_drain(loop)
      assert(lib.peri_slots_take(slots, ffi.new 'peri_id[1]') ~= nil)
      lib.peri_slots_fini(slots)
      assert(lib.peri_loop_fini(loop) == 0)
    ]]
    assert.equal(0, exit.code, exit.output)
    assert.truthy(exit.output:find('still there', 1, true))
  end)

  it('is the only thread that may use a loop', function()
    local exit = run 'elsewhere(lib.peri_loop_want_drain, loop)'
    assert.equal('ABRT', exit.signal, exit.output)
    assert.truthy(exit.output:find('loop.c', 1, true), exit.output)
    assert.truthy(exit.output:find('peri_owner_self', 1, true), exit.output)
  end)

  it('is the only thread that may look into a table of slots', function()
    local exit = run 'elsewhere(lib.peri_slots_get, slots)'
    assert.equal('ABRT', exit.signal, exit.output)
    assert.truthy(exit.output:find('slots.h', 1, true), exit.output)
  end)

  it('hands a loop at rest to whoever ends it', function()
    local exit = run 'elsewhere(lib.peri_loop_fini, loop)'
    assert.equal(0, exit.code, exit.output)
  end)
end)
