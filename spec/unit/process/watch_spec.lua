-- SPDX-License-Identifier: MIT
local ffi = require 'ffi'
local c = require 'spec.support.c'
local lib = c.cdef 'process/watch.h'

describe('process.watch', function()
  local watch, limits

  before_each(function()
    watch = ffi.new 'peri_watch'
    limits = ffi.new('peri_watch_limits', 500, 1000, 30000)
    lib.peri_watch_init(watch, 1, 10000)
  end)

  local function tick(turns, now)
    return tonumber(lib.peri_watch_tick(watch, limits, turns, now))
  end

  it('asks a loop that does not turn, and lets it be when it answers', function()
    assert.equal(lib.PERI_WATCH_NOTHING, tick(1, 10250))
    assert.equal(lib.PERI_WATCH_PING, tick(1, 10500))
    assert.equal(lib.PERI_WATCH_NOTHING, tick(2, 10750))
  end)

  it('never calls an idle loop stuck, however long it sleeps', function()
    assert.equal(lib.PERI_WATCH_PING, tick(1, 10000 + 3600000))
    assert.equal(lib.PERI_WATCH_NOTHING, tick(2, 10000 + 3600250))
  end)

  it('reports a stuck loop once, and its recovery', function()
    tick(1, 10500)
    assert.equal(lib.PERI_WATCH_NOTHING, tick(1, 10750))
    assert.equal(lib.PERI_WATCH_STUCK, tick(1, 11000))
    assert.equal(lib.PERI_WATCH_NOTHING, tick(1, 11250))
    assert.is_true(watch.stuck)
    assert.equal(lib.PERI_WATCH_RECOVERED, tick(2, 11500))
    assert.is_false(watch.stuck)
    assert.equal(lib.PERI_WATCH_NOTHING, tick(3, 11750))
  end)

  it('gives up after the stall time-out, or never when that is zero', function()
    tick(1, 10500)
    tick(1, 11000)
    assert.equal(lib.PERI_WATCH_NOTHING, tick(1, 39999))
    assert.equal(lib.PERI_WATCH_STALLED, tick(1, 40000))
    limits.stall_ms = 0
    assert.equal(lib.PERI_WATCH_NOTHING, tick(1, 9999999))
  end)
end)
