-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('perilune.every', function()
  it(
    'fires once per period, with the number of the turn',
    inside(function()
      local turns_seen, began = {}, perilune.clock()
      local ticker = perilune.every(100, function(turn)
        turns_seen[#turns_seen + 1] = turn
      end)
      for _ = 1, 50 do
        advance(10)
        turns(1)
      end
      local due = math.floor(perilune.clock() / 100) - math.floor(began / 100)
      assert(math.abs(due - #turns_seen) <= 1, #turns_seen)
      for i = 2, #turns_seen do
        assert.equal(turns_seen[i - 1] + 1, turns_seen[i])
      end
      ticker:stop()
      advance(300)
      turns(2)
      local count = #turns_seen
      advance(300)
      turns(2)
      assert.equal(count, #turns_seen)
    end)
  )

  it(
    'is forgotten when it was stopped',
    inside(function()
      local mine = require('perilune.entry.declare').declarations()
      local kept = perilune.every(100, function() end)
      local before = #mine.tickers
      for _ = 1, 10 do
        perilune.every(100, function() end):stop()
      end
      assert.equal(before, #mine.tickers)
      kept:stop()
      kept:stop()
      assert.equal(before - 1, #mine.tickers)
    end)
  )

  it(
    'hands over to another one without a turn lost or doubled, whenever that happens',
    inside(function()
      local seen = {}
      local function fire(turn)
        seen[#seen + 1] = turn
      end
      local ticker = perilune.every(100, fire)
      for step = 1, 300 do
        core.test_advance(7)
        core.sleep(1) -- the ticker may be due in the very turn in which it is stopped
        if step % 5 == 0 then
          local old = ticker
          old:stop()
          ticker = perilune.every(100, fire)
        end
      end
      turns(2)
      ticker:stop()
      turns(2)
      for i = 2, #seen do
        assert.equal(seen[i - 1] + 1, seen[i])
      end
      assert(#seen >= 20, #seen)
    end)
  )

  it(
    'never runs twice at once, leaves out what it missed, and goes on after an error',
    inside(function()
      local began, ended = 0, 0
      local ticker = perilune.every(10, function()
        began = began + 1
        perilune.sleep(35)
        ended = ended + 1
        error 'on purpose'
      end)
      for _ = 1, 30 do
        advance(5)
        turns(1)
        assert(began - ended <= 1)
      end
      assert(began >= 2 and began <= 7, began)
      ticker:stop()
      advance(100)
      turns(3)
      assert.equal(began, ended)
      assert.equal(began, #logged 'TICKER')
    end)
  )

  it(
    'refuses what is no period and no function',
    inside(function()
      local wrong = { { 0, print }, { 'x', print }, { 0 / 0, print }, { 1 / 0, print }, { 5 } }
      for _, case in ipairs(wrong) do
        local ok, message = pcall(perilune.every, case[1], case[2])
        assert.is_false(ok)
        assert.matches('perilune.every', tostring(message))
      end
    end)
  )
end)
