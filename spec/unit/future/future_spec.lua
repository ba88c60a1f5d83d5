-- SPDX-License-Identifier: MIT
jit.off(true, true)
local ffi = require 'ffi'
local c = require 'spec.support.c'

local lib = c.cdef('future/future.h', 'transport/wheel.h')

describe('future/future', function()
  local futures, wheel, done, on_done, arm, disarm

  setup(function()
    on_done = ffi.cast('void (*)(peri_future *)', function(future)
      done[#done + 1] = { id = future.id, code = future.code }
    end)
    arm = ffi.cast('void (*)(void *, peri_timer *, uint64_t)', function(_, timer, delay)
      lib.peri_wheel_arm(wheel, timer, delay)
    end)
    disarm = ffi.cast('void (*)(void *, peri_timer *)', function(_, timer)
      lib.peri_wheel_cancel(wheel, timer)
    end)
  end)

  teardown(function()
    on_done:free()
    arm:free()
    disarm:free()
  end)

  before_each(function()
    done = {}
    wheel = ffi.gc(lib.peri_wheel_new(0), lib.peri_wheel_free)
    futures = ffi.new('peri_futures')
    lib.peri_futures_init(futures, 4)
    futures.arm, futures.disarm = arm, disarm
  end)

  after_each(function()
    assert.equal(0, futures.slots.live)
    assert.equal(0, lib.peri_wheel_count(wheel))
    lib.peri_futures_fini(futures)
  end)

  local function new()
    local future = lib.peri_future_new(futures, on_done, nil)
    return future, future ~= nil and future.id
  end

  it('completes exactly once and counts what comes late', function()
    local future, id = new()
    assert.equal(1, lib.peri_future_complete(futures, id, 0))
    assert.equal(0, lib.peri_future_complete(futures, id, lib.PERI_EINTERNAL))
    assert.equal(0, lib.peri_future_cancel(futures, id))
    assert.equal(1, #done)
    assert.equal(0, future.code)
    assert.equal(1, tonumber(futures.late))
    lib.peri_future_release(futures, future)
    assert.equal(0, lib.peri_future_complete(futures, id, 0))
    assert.equal(2, tonumber(futures.late))
    assert.equal(1, tonumber(futures.completed))
    assert.equal(1, #done)
  end)

  it('gives a reused slot another id', function()
    local future, id = new()
    lib.peri_future_release(futures, future)
    local again, other = new()
    assert.is_true(id ~= other)
    assert.equal(nil, lib.peri_future_get(futures, id))
    assert.equal(0, lib.peri_future_complete(futures, id, 0))
    assert.equal(lib.PERI_FUTURE_PENDING, again.state)
    lib.peri_future_release(futures, again)
    assert.equal(0, #done)
  end)

  it('times out at its deadline', function()
    local future, id = new()
    lib.peri_future_arm(futures, future, 50)
    lib.peri_wheel_advance(wheel, 49)
    assert.equal(0, #done)
    lib.peri_wheel_advance(wheel, 50)
    assert.same({ { id = id, code = lib.PERI_ETIMEOUT } }, done)
    assert.equal(1, tonumber(futures.timeouts))
    assert.equal(0, lib.peri_future_complete(futures, id, 0))
    lib.peri_future_release(futures, future)
  end)

  it('moves and disarms its deadline', function()
    local future, id = new()
    lib.peri_future_arm(futures, future, 10)
    lib.peri_future_arm(futures, future, 100)
    lib.peri_wheel_advance(wheel, 99)
    assert.equal(0, #done)
    lib.peri_future_complete(futures, id, lib.PERI_ENOT_FOUND)
    lib.peri_future_arm(futures, future, 1)
    lib.peri_wheel_advance(wheel, 1000)
    assert.same({ { id = id, code = lib.PERI_ENOT_FOUND } }, done)
    lib.peri_future_release(futures, future)
  end)

  it('cancels', function()
    local future, id = new()
    lib.peri_future_arm(futures, future, 10)
    assert.equal(1, lib.peri_future_cancel(futures, id))
    assert.equal(0, lib.peri_future_cancel(futures, id))
    assert.same({ { id = id, code = lib.PERI_ECANCELLED } }, done)
    assert.equal(1, tonumber(futures.cancelled))
    assert.equal(0, tonumber(futures.late))
    lib.peri_future_release(futures, future)
  end)

  it('refuses more than its limit and takes new ones when some are over', function()
    local held = {}
    for i = 1, 4 do
      held[i] = new()
    end
    assert.equal(nil, (new()))
    lib.peri_future_release(futures, held[4])
    held[4] = new()
    assert.is_true(held[4] ~= nil)
    for i = 1, 4 do
      lib.peri_future_release(futures, held[i])
    end
  end)

  it('drops its block with the release', function()
    local before = tonumber(lib.peri_block_count())
    local future, id = new()
    lib.peri_future_arm(futures, future, 50)
    assert.equal(future, lib.peri_future_answer(futures, id))
    assert.equal(nil, lib.peri_future_answer(futures, id))
    assert.equal(0, lib.peri_future_cancel(futures, id))
    future.block = lib.peri_block_copy(c.bytes('answer'))
    future.body.ptr, future.body.len = future.block.data, 6
    lib.peri_future_complete(futures, id, 0)
    assert.equal('answer', c.string(future.body))
    lib.peri_future_release(futures, future)
    assert.equal(before, tonumber(lib.peri_block_count()))
  end)
end)
