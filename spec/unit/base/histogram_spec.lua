-- SPDX-License-Identifier: MIT
local ffi = require 'ffi'
local c = require 'spec.support.c'

local lib = c.cdef 'base/histogram.h'

describe('base/histogram', function()
  local it_is

  before_each(function()
    it_is = ffi.new 'peri_histogram'
  end)

  it('keeps small values as they are', function()
    for value = 0, 15 do
      assert.equal(value, lib.peri_histogram_bucket(value))
      assert.equal(value, lib.peri_histogram_middle(value))
    end
  end)

  it('is wrong by at most a sixteenth above', function()
    local value = 16
    while value < 2 ^ 27 do
      local middle = lib.peri_histogram_middle(lib.peri_histogram_bucket(value))
      assert.is_true(math.abs(middle - value) <= value / 16, value .. ' is ' .. middle)
      value = math.floor(value * 1.0371) + 1
    end
  end)

  it('has buckets without gaps, in order', function()
    local last = -1
    for bucket = 0, 199 do
      local middle = lib.peri_histogram_middle(bucket)
      assert.is_true(middle > last)
      assert.equal(bucket, lib.peri_histogram_bucket(middle))
      last = middle
    end
  end)

  it('counts what is larger than its range as the largest', function()
    assert.equal(199, lib.peri_histogram_bucket(2 ^ 27 - 1))
    assert.equal(199, lib.peri_histogram_bucket(2ULL ^ 63))
  end)

  it('lets old values fade', function()
    lib.peri_histogram_add(it_is, 7)
    lib.peri_histogram_add(it_is, 7)
    for _ = 1, 65534 do
      lib.peri_histogram_add(it_is, 5)
    end
    assert.equal(65534, it_is.count[5])
    lib.peri_histogram_add(it_is, 5)
    assert.equal(32767, it_is.count[5])
    assert.equal(1, it_is.count[7])
  end)
end)
