-- SPDX-License-Identifier: MIT
jit.off(true, true)
local ffi = require 'ffi'
local c = require 'spec.support.c'

local lib = c.cdef('transport/wheel.h')

describe('transport/wheel', function()
  local wheel, timers, fired, on_fire, hook

  setup(function()
    on_fire = ffi.cast('peri_timer_fn', function(timer)
      local index = tonumber(timer - timers)
      fired[#fired + 1] = { index, tonumber(lib.peri_wheel_now(wheel)) }
      if hook then
        hook(timer, index)
      end
    end)
  end)

  teardown(function()
    on_fire:free()
  end)

  local function start(count, now)
    fired, hook = {}, nil
    wheel = ffi.gc(lib.peri_wheel_new(now or 0), lib.peri_wheel_free)
    timers = ffi.new('peri_timer[?]', count)
    for i = 0, count - 1 do
      lib.peri_timer_init(timers[i], on_fire)
    end
  end

  it('fires at the due tick, not before', function()
    start(1, 1000)
    lib.peri_wheel_arm(wheel, timers[0], 50)
    assert.equal(0, lib.peri_wheel_advance(wheel, 1049))
    assert.equal(1, lib.peri_wheel_advance(wheel, 1050))
    assert.same({ { 0, 1050 } }, fired)
    assert.equal(0, lib.peri_wheel_count(wheel))
    assert.equal(0, lib.peri_wheel_advance(wheel, 100000))
  end)

  it('fires each of 10 000 timers at its tick, in order of due time, then of arming', function()
    local count = 10000
    start(count, 123456789)
    math.randomseed(7)
    local due = {}
    for i = 0, count - 1 do
      local delay = math.random(1, i % 3 == 0 and 100 or 20000)
      due[i] = 123456789 + delay
      lib.peri_wheel_arm(wheel, timers[i], delay)
    end
    local now = 123456789
    while lib.peri_wheel_count(wheel) > 0 do
      now = now + math.random(1, 700)
      lib.peri_wheel_advance(wheel, now)
    end
    assert.equal(count, #fired)
    local last_due, last_index = 0, -1
    for _, event in ipairs(fired) do
      local index, at = event[1], event[2]
      assert.equal(due[index], at)
      assert.is_true(at > last_due or (at == last_due and index > last_index))
      last_due, last_index = at, index
    end
  end)

  it('keeps the order of arming across levels', function()
    start(3, 250)
    lib.peri_wheel_arm(wheel, timers[2], 50)
    lib.peri_wheel_advance(wheel, 299)
    lib.peri_wheel_arm(wheel, timers[0], 1)
    lib.peri_wheel_advance(wheel, 300)
    assert.same({ { 2, 300 }, { 0, 300 } }, fired)
  end)

  it('cancels idempotently, armed or not', function()
    start(2)
    assert.equal(0, lib.peri_wheel_cancel(wheel, timers[0]))
    lib.peri_wheel_arm(wheel, timers[0], 5)
    lib.peri_wheel_arm(wheel, timers[1], 5)
    assert.equal(1, lib.peri_wheel_cancel(wheel, timers[0]))
    assert.equal(0, lib.peri_wheel_cancel(wheel, timers[0]))
    assert.equal(1, lib.peri_wheel_advance(wheel, 10))
    assert.same({ { 1, 5 } }, fired)
  end)

  it('takes a zeroed timer', function()
    start(1)
    local zeroed = ffi.new('peri_timer')
    assert.equal(0, lib.peri_wheel_cancel(wheel, zeroed))
    lib.peri_wheel_arm(wheel, zeroed, 1)
    assert.equal(1, lib.peri_wheel_cancel(wheel, zeroed))
    assert.is_true(lib.peri_wheel_next(wheel) == 0xffffffffffffffffULL)
  end)

  it('moves a timer that is armed again', function()
    start(1)
    lib.peri_wheel_arm(wheel, timers[0], 10)
    lib.peri_wheel_arm(wheel, timers[0], 5000)
    assert.equal(1, lib.peri_wheel_count(wheel))
    assert.equal(0, lib.peri_wheel_advance(wheel, 4999))
    assert.equal(1, lib.peri_wheel_advance(wheel, 5000))
  end)

  it('lets fire cancel others of its tick and later ones', function()
    start(4)
    for i = 0, 2 do
      lib.peri_wheel_arm(wheel, timers[i], 7)
    end
    lib.peri_wheel_arm(wheel, timers[3], 900)
    hook = function(_, index)
      if index == 0 then
        assert.equal(1, lib.peri_wheel_cancel(wheel, timers[1]))
        assert.equal(1, lib.peri_wheel_cancel(wheel, timers[2]))
        assert.equal(1, lib.peri_wheel_cancel(wheel, timers[3]))
      end
    end
    assert.equal(1, lib.peri_wheel_advance(wheel, 5000))
    assert.equal(0, lib.peri_wheel_count(wheel))
  end)

  it('lets fire arm its own timer again, counted from the tick that fires', function()
    start(1)
    hook = function(timer)
      lib.peri_wheel_arm(wheel, timer, 10)
    end
    lib.peri_wheel_arm(wheel, timers[0], 10)
    assert.equal(10, lib.peri_wheel_advance(wheel, 100))
    assert.same({ 0, 100 }, fired[10])
    hook = nil
  end)

  it('does not hang on a timer that arms itself with no delay', function()
    start(1)
    hook = function(timer)
      lib.peri_wheel_arm(wheel, timer, 0)
    end
    lib.peri_wheel_arm(wheel, timers[0], 0)
    assert.equal(20, lib.peri_wheel_advance(wheel, 20))
    hook = nil
  end)

  it('re-arms a timer of the same tick from fire', function()
    start(2)
    lib.peri_wheel_arm(wheel, timers[0], 3)
    lib.peri_wheel_arm(wheel, timers[1], 3)
    hook = function(_, index)
      if index == 0 then
        lib.peri_wheel_arm(wheel, timers[1], 64)
      end
    end
    lib.peri_wheel_advance(wheel, 66)
    assert.same({ { 0, 3 } }, fired)
    lib.peri_wheel_advance(wheel, 67)
    assert.same({ 1, 67 }, fired[2])
  end)

  it('fires after hours, days and years, to the millisecond', function()
    local hour = 3600 * 1000
    local delays = { hour, 30 * hour, 24 * 365 * hour, 24 * 365 * 100 * hour }
    start(#delays, 987654321)
    for i, delay in ipairs(delays) do
      lib.peri_wheel_arm(wheel, timers[i - 1], delay)
    end
    for i, delay in ipairs(delays) do
      lib.peri_wheel_advance(wheel, 987654321 + delay - 1)
      assert.equal(i - 1, #fired)
      lib.peri_wheel_advance(wheel, 987654321 + delay)
      assert.same({ i - 1, 987654321 + delay }, fired[i])
    end
  end)

  it('goes round every level at its boundaries', function()
    for _, boundary in ipairs { 64, 4096, 262144, 16777216, 2 ^ 32 } do
      for offset = -2, 1 do
        start(1, boundary + offset)
        lib.peri_wheel_arm(wheel, timers[0], 3)
        assert.equal(0, lib.peri_wheel_advance(wheel, boundary + offset + 2))
        assert.equal(1, lib.peri_wheel_advance(wheel, boundary + offset + 3))
      end
    end
  end)

  it('keeps a delay beyond the range of the clock armed', function()
    start(1, 12345)
    lib.peri_wheel_arm(wheel, timers[0], 0xffffffffffffffffULL)
    assert.equal(0, lib.peri_wheel_advance(wheel, 2 ^ 50))
    assert.equal(1, lib.peri_wheel_count(wheel))
    assert.equal(1, lib.peri_wheel_cancel(wheel, timers[0]))
  end)

  it('never promises to sleep beyond the next timer', function()
    start(200, 5000)
    math.randomseed(3)
    for i = 0, 199 do
      lib.peri_wheel_arm(wheel, timers[i], math.random(1, 100000))
    end
    local now, steps = 5000, 0
    while lib.peri_wheel_count(wheel) > 0 do
      now = now + tonumber(lib.peri_wheel_next(wheel))
      lib.peri_wheel_advance(wheel, now)
      steps = steps + 1
      assert.is_true(steps < 5000)
    end
    for _, event in ipairs(fired) do
      assert.equal(tonumber(timers[event[1]].due), event[2])
    end
    assert.equal(200, #fired)
  end)

  it('ignores a clock that goes back', function()
    start(1, 1000)
    lib.peri_wheel_arm(wheel, timers[0], 5)
    assert.equal(0, lib.peri_wheel_advance(wheel, 10))
    assert.equal(1000, tonumber(lib.peri_wheel_now(wheel)))
    assert.equal(1, lib.peri_wheel_advance(wheel, 1005))
  end)
end)
