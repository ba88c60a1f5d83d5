-- SPDX-License-Identifier: MIT
-- A fiber that gave up waiting for one thing must not be woken by it in the middle of the next.
local inside = require('spec.support.vm').inside

describe('giving up a wait', function()
  it(
    'on a future leaves the next await alone',
    inside(function()
      local greeter = serve {
        work = function(_, ms)
          perilune.sleep(ms)
          return ms
        end,
      }
      greeter:work(0)
      local slow = perilune.async(greeter)
      for _ = 1, 20 do
        local first = slow:work(20)
        local _, err = first:await(1)
        assert.equal('TIMEOUT', err.code)
        local second = slow:work(40)
        assert.equal(40, (second:await()))
        assert.same({ 20 }, { first:await() })
      end
    end)
  )

  it(
    'in the line of the concurrency filter takes no place along',
    inside(function()
      local served = 0
      local greeter = serve({
        work = function(_, ms)
          perilune.sleep(ms)
          served = served + 1
          return ms
        end,
      }, nil, { concurrency = 1 })
      local hasty = perilune.with(greeter, { timeout = 5 })
      for _ = 1, 20 do
        local first = perilune.async(greeter):work(20)
        turns(2)
        local _, err = hasty:work(0)
        assert.equal('TIMEOUT', err.code)
        -- Waits in line with the same fiber, and for something else.
        assert.equal(1, (greeter:work(1)))
        assert.equal(20, (first:await()))
      end
      local before = served
      assert.equal(0, (greeter:work(0)))
      assert.equal(before + 1, served)
    end)
  )
end)
