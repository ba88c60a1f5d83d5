-- SPDX-License-Identifier: MIT
jit.off(true, true)
local ffi = require 'ffi'
local c = require 'spec.support.c'
local t = require 'spec.support.transport'

local lib = t.lib
c.cdef('transport/look.h', 'transport/share.h')
ffi.cdef [[
int sched_getcpu(void);
int sched_getaffinity(int pid, size_t size, void *mask);
int sched_setaffinity(int pid, size_t size, const void *mask);
]]

-- What is known of a core must not change because the thread is moved.
local MASK_BYTES = 128
local allowed = ffi.new('uint8_t[?]', MASK_BYTES)

local function stay()
  local mask = ffi.new('uint8_t[?]', MASK_BYTES)
  local core = ffi.C.sched_getcpu()
  mask[math.floor(core / 8)] = bit.lshift(1, core % 8)
  ffi.C.sched_getaffinity(0, MASK_BYTES, allowed)
  assert(ffi.C.sched_setaffinity(0, MASK_BYTES, mask) == 0)
end

local function move_again()
  ffi.C.sched_setaffinity(0, MASK_BYTES, allowed)
end

describe('transport/look', function()
  local look

  before_each(function()
    look = ffi.new 'peri_look'
  end)

  local function hold(channels)
    return lib.peri_look_hold(look, channels)
  end

  it('keeps little output over one poll', function()
    assert.is_true(hold(2))
    assert.is_false(hold(3))
    assert.is_true(hold(3))
    assert.is_false(hold(4))
    assert.is_false(hold(4))
  end)

  it('becomes rare where it brings nothing, at most once in 64', function()
    local gaps, gap = {}, 0
    while #gaps < 9 do
      if hold(1) then
        gaps[#gaps + 1], gap = gap, 0
        assert.is_false(hold(1))
      else
        gap = gap + 1
      end
    end
    assert.same({ 0, 0, 2, 6, 14, 30, 62, 62, 62 }, gaps)
  end)

  it('comes back at the first further channel', function()
    for _ = 1, 3 do
      while not hold(1) do
      end
      hold(1)
    end
    while not hold(1) do
    end
    assert.is_false(hold(2))
    assert.is_true(hold(1))
  end)

  it('ends with nothing left to send', function()
    assert.is_true(hold(1))
    assert.is_false(hold(0))
    assert.equal(0, look.held)
  end)
end)

describe('transport/share', function()
  setup(stay)
  teardown(move_again)

  it('sees others on the same core, for a while', function()
    local a, b = ffi.new 'char[1]', ffi.new 'char[1]'
    local now = 1000000000000ULL
    local last = lib.PERI_SHARE_NS - 1
    lib.peri_share_has_company(a, now)
    assert.is_true(lib.peri_share_has_company(a, now + last))
    assert.is_false(lib.peri_share_has_company(a, now + last + 1))
    assert.is_true(lib.peri_share_has_company(b, now + 2 * last))
    assert.is_true(lib.peri_share_has_company(a, now + 3 * last))
    assert.is_true(lib.peri_share_has_company(a, now + 4 * last))
    assert.is_false(lib.peri_share_has_company(a, now + 4 * last + 1))
  end)
end)

describe('transport/loop, with little to send', function()
  local loop, conns, on_drain, sent, drains
  local other = ffi.new 'char[1]'

  setup(function()
    stay()
    on_drain = ffi.cast('bool (*)(peri_loop *, void *)', function()
      sent[#sent + 1] = tonumber(lib.peri_channel_bytes_out(conns[1].channel))
      if #sent == 1 then
        lib.peri_test_conn_send(conns[1], 'x', 1)
      end
      if #sent == drains then
        lib.peri_loop_stop(loop)
      end
      lib.peri_loop_want_drain(loop)
      return false
    end)
  end)

  teardown(function()
    on_drain:free()
    move_again()
  end)

  before_each(function()
    lib.peri_test_clock(true)
    loop = t.loop()
    local ends = ffi.new 'peri_channel *[2]'
    lib.peri_channel_pair(loop, ends)
    conns = { t.conn(), t.conn() }
    for i, conn in ipairs(conns) do
      lib.peri_test_conn_start(conn, ends[i - 1], nil)
    end
    t.turns(loop, 2)
    loop.on_drain = on_drain
    sent = {}
    lib.peri_share_has_company(other, loop.now_ns)
  end)

  after_each(function()
    loop.on_drain = nil
    for _, conn in ipairs(conns) do
      lib.peri_channel_close(conn.channel, 0)
    end
    t.fini()
  end)

  -- What was sent before each of so many drains and the last, of which the first sends one byte.
  local function run(count)
    drains, sent = count, {}
    lib.peri_loop_want_drain(loop)
    lib.peri_loop_run(loop)
    return sent
  end

  it('turns once more first when another loop is on its core', function()
    assert.same({ 0, 0, 1, 1 }, run(3))
  end)

  it('sends at once when it was stopped', function()
    run(1)
    assert.equal(1, tonumber(lib.peri_channel_bytes_out(conns[1].channel)))
  end)

  it('sends at once when it is alone there', function()
    run(4)
    lib.peri_test_clock_advance(21)
    lib.peri_loop_turn(loop, 0)
    assert.same({ 1, 2, 2, 2 }, run(3))
  end)

  it('sends at once when somebody else turns it', function()
    drains = 0
    lib.peri_loop_want_drain(loop)
    lib.peri_loop_turn(loop, 0)
    assert.same({ 0, 1 }, sent)
  end)
end)
