-- SPDX-License-Identifier: MIT
jit.off(true, true)
local ffi = require 'ffi'
local t = require 'spec.support.transport'

local lib = t.lib

describe('transport/loop', function()
  local loop, log, drain_result
  local on_drain, on_fire, on_message

  setup(function()
    on_drain = ffi.cast('bool (*)(peri_loop *, void *)', function()
      log[#log + 1] = 'drain'
      local result = drain_result
      drain_result = false
      return result
    end)
    on_fire = ffi.cast('peri_timer_fn', function()
      log[#log + 1] = 'timer'
    end)
    on_message = ffi.cast('void (*)(peri_message *, peri_loop *)', function(message)
      log[#log + 1] = tonumber(ffi.cast('peri_test_numbered *', message).number)
    end)
  end)

  if not pcall(ffi.typeof, 'peri_test_numbered') then
    ffi.cdef [[
typedef struct { peri_message message; int number; } peri_test_numbered;
peri_block *peri_loop_take_block(peri_loop *loop, uint32_t cap);
void peri_test_hold(peri_loop *loop);
void peri_test_let_go(void);
void peri_loop_lend(peri_loop *loop, peri_buf *buf);
void peri_loop_take_back(peri_loop *loop, peri_buf *buf);
]]
  end

  teardown(function()
    on_drain:free()
    on_fire:free()
    on_message:free()
  end)

  before_each(function()
    lib.peri_test_clock(true)
    log, drain_result = {}, false
    loop = t.loop()
  end)

  after_each(t.fini)

  local function message(number)
    local made = ffi.new('peri_test_numbered')
    made.message.run = on_message
    made.number = number
    return made
  end

  it('counts turns', function()
    local before = tonumber(loop.turns)
    t.turns(loop, 3)
    assert.is_true(tonumber(loop.turns) >= before + 3)
  end)

  it('drains every turn, and turns without blocking while work is left', function()
    loop.on_drain = on_drain
    drain_result = true
    lib.peri_loop_turn(loop, 0)
    assert.same({ 'drain' }, log)
    -- Would wait for 10 s if it blocked.
    lib.peri_loop_turn(loop, 10000)
    assert.same({ 'drain', 'drain' }, log)
  end)

  it('drains before it blocks when a drain was asked for', function()
    loop.on_drain = on_drain
    lib.peri_loop_want_drain(loop)
    lib.peri_loop_turn(loop, 0)
    assert.same({ 'drain', 'drain' }, log)
  end)

  it('fires timers by its clock, before the drain', function()
    loop.on_drain = on_drain
    local timer = ffi.new('peri_timer')
    lib.peri_timer_init(timer, on_fire)
    lib.peri_loop_arm(loop, timer, 100)
    lib.peri_test_clock_advance(99)
    lib.peri_loop_turn(loop, 0)
    assert.same({ 'drain' }, log)
    lib.peri_test_clock_advance(1)
    lib.peri_loop_turn(loop, 0)
    assert.same({ 'drain', 'timer', 'drain' }, log)
  end)

  it('counts a delay from now, not from where the turn began', function()
    local timer = ffi.new('peri_timer')
    lib.peri_timer_init(timer, on_fire)
    lib.peri_test_clock_advance(500)
    lib.peri_loop_update(loop)
    lib.peri_loop_arm(loop, timer, 100)
    lib.peri_loop_turn(loop, 0)
    assert.same({}, log)
    lib.peri_test_clock_advance(99)
    lib.peri_loop_turn(loop, 0)
    assert.same({}, log)
    lib.peri_test_clock_advance(1)
    lib.peri_loop_turn(loop, 0)
    assert.same({ 'timer' }, log)
  end)

  it('forgets a cancelled timer', function()
    local timer = ffi.new('peri_timer')
    lib.peri_timer_init(timer, on_fire)
    lib.peri_loop_arm(loop, timer, 10)
    lib.peri_loop_cancel(loop, timer)
    lib.peri_test_clock_advance(100)
    lib.peri_loop_turn(loop, 0)
    assert.same({}, log)
  end)

  it('wakes for a timer by itself', function()
    lib.peri_test_clock(false)
    local timer = ffi.new('peri_timer')
    lib.peri_timer_init(timer, on_fire)
    lib.peri_loop_arm(loop, timer, 2)
    t.eventually(loop, function()
      return #log == 1
    end, 'timer')
  end)

  it('runs posted messages in order', function()
    local messages = {}
    for i = 1, 5 do
      messages[i] = message(i)
      lib.peri_loop_post(loop, messages[i].message)
    end
    t.eventually(loop, function()
      return #log == 5
    end, 'messages')
    assert.same({ 1, 2, 3, 4, 5 }, log)
  end)

  it('runs at its end what was posted and not run', function()
    local late = message(7)
    lib.peri_loop_stop(loop)
    lib.peri_loop_post(loop, late.message)
    t.fini()
    assert.same({ 7 }, log)
  end)

  it('does not end while a request on the thread pool takes its time', function()
    local other = ffi.new 'peri_loop'
    assert.equal(0, lib.peri_loop_init(other))
    lib.peri_test_hold(other)
    local code = lib.peri_loop_fini(other)
    lib.peri_test_let_go()
    assert.equal('TIMEOUT', t.code_name(code))
    assert.equal(0, lib.peri_loop_fini(other))
  end)

  it('takes messages from many threads', function()
    ffi.cdef 'int peri_test_post_storm(peri_loop *loop, int threads, int each);'
    assert.equal(0, lib.peri_test_post_storm(loop, 4, 2000))
  end)

  it('says how many channels were forgotten', function()
    local ends = ffi.new('peri_channel *[2]')
    local other = ffi.new('peri_loop')
    assert.equal(0, lib.peri_loop_init(other))
    lib.peri_channel_pair(other, ends)
    lib.peri_channel_close(ends[0], 0)
    lib.peri_channel_close(ends[1], 0)
    assert.equal(0, lib.peri_loop_fini(other))
  end)

  describe('keeps blocks', function()
    local function take(cap)
      return lib.peri_loop_take_block(loop, cap)
    end

    local function give(block)
      lib.peri_block_unref(block)
    end

    it('and hands out the first that is free and fits', function()
      local first = take(65567)
      local second = take(65567)
      assert.is_true(first ~= second)
      second.used = 7
      give(second)
      assert.is_true(take(40000) == second)
      assert.equal(0, second.used)
      give(first)
      give(second)
      assert.is_true(take(65567) == first)
      give(first)
    end)

    it('but none for less than half of it', function()
      local large = take(200000)
      give(large)
      local small = take(99999)
      assert.is_true(small ~= large)
      assert.equal(99999, small.cap)
      give(small)
      small = take(100000)
      assert.is_true(small == large)
      give(small)
    end)

    it('of middle sizes only', function()
      for _, size in ipairs { 32 * 1024 - 1, 256 * 1024 + 1 } do
        local before = lib.peri_block_count()
        give(take(size))
        assert.is_true(lib.peri_block_count() == before)
      end
    end)

    it('in bounds, and lets go of those that others hold', function()
      local held = {}
      for i = 1, 80 do
        held[i] = take(32 * 1024 + i * 1000)
      end
      assert.equal(80, tonumber(lib.peri_block_count()))
      local of_others = 0
      for _, block in ipairs(held) do
        of_others = of_others + 1 - block.kept
        give(block)
      end
      assert.equal(32, tonumber(lib.peri_block_count()))
      assert.equal(48, of_others)
    end)
  end)

  it('keeps output buffers of up to twice what is sent early', function()
    local function kept(size)
      local buf = ffi.new 'peri_buf'
      lib.peri_buf_reserve(buf, size)
      local data = buf.data
      lib.peri_loop_take_back(loop, buf)
      assert.equal(0, tonumber(buf.cap))
      lib.peri_loop_lend(loop, buf)
      local same = buf.cap ~= 0 and buf.data == data
      assert.equal(0, tonumber(buf.len))
      lib.peri_buf_fini(buf)
      return same
    end
    assert.is_true(kept(100))
    assert.is_true(kept(512 * 1024))
    assert.is_false(kept(512 * 1024 + 1))
  end)
end)
