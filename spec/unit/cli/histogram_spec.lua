-- SPDX-License-Identifier: MIT
local histogram = require 'perilune.cli.histogram'

describe('cli.histogram', function()
  it('finds percentiles within 1.6 %, over seven orders of magnitude', function()
    local h = histogram.new()
    for i = 1, 10000 do
      h:add(i / 10)
    end
    for _, percent in ipairs { 1, 50, 90, 99, 99.9 } do
      local exact = percent * 10
      assert.near(exact, h:percentile(percent), exact * 0.016)
    end
    for power = -3, 4 do
      local one = histogram.new()
      one:add(10 ^ power)
      one:add(10 ^ power * 2)
      assert.near(10 ^ power, one:percentile(50), 10 ^ power * 0.016 + 0.0005)
    end
  end)

  it('is 0 when empty, never above the maximum, and takes negative as 0', function()
    local h = histogram.new()
    assert.equal(0, h:percentile(50))
    assert.equal(0, h:mean())
    h:add(-1)
    h:add(3.14159)
    assert.equal(3.14159, h.max)
    assert.is_true(h:percentile(100) <= h.max)
    assert.equal(2, h.count)
  end)
end)
