-- SPDX-License-Identifier: MIT
-- Quantiles of what several workers counted.
local inside = require('spec.support.vm').inside

describe('process.figures', function()
  it(
    'tells the value that a part of the calls did not exceed',
    inside(function()
      local figures = require 'perilune.process.figures'
      local took = { 5, 98, 100, 1, 1, 0, 5, 0, 0.5, 1 }
      assert.equal(5, figures.quantile(took, 0.5))
      assert.equal(5, figures.quantile(took, 0.99))
      assert.equal(100, figures.quantile(took, 1))
      assert.equal(0.5, figures.quantile(took, 0.01))
      assert.is_nil(figures.quantile({}, 0.5))
    end)
  )
end)
