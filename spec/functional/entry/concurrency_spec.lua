-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('filter concurrency', function()
  it(
    'lets at most so many calls through, in order',
    inside(function()
      local active, most, order = 0, 0, {}
      local greeter = serve({
        work = function(_, i)
          active = active + 1
          most = math.max(most, active)
          order[#order + 1] = i
          turns(3)
          active = active - 1
          return i
        end,
      }, nil, { concurrency = 2 })
      local list = {}
      for i = 1, 9 do
        list[i] = perilune.async(greeter):work(i)
      end
      local results = assert(perilune.all(list):await())
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9 }, results)
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9 }, order)
      assert.equal(2, most)
    end)
  )

  it(
    'keeps nothing of those who gave up while nobody gives a place free',
    inside(function()
      local done, settle = perilune.future()
      local proxy = serve({
        hang = function()
          return (done:await())
        end,
      }, nil, { concurrency = 1, timeout = 100000 })
      local first = perilune.async(proxy):hang()
      turns(3)
      local brief = perilune.async(perilune.with(proxy, { timeout = 20 }))
      local function wave()
        for _ = 1, 1000 do
          brief:hang()
        end
        turns(2)
        advance(25)
        turns(3)
        collectgarbage()
        collectgarbage()
        return collectgarbage 'count'
      end
      wave() -- what is pooled
      local before = wave()
      assert.is_true(wave() - before < 64, 'KB')
      settle 'free'
      assert.equal('free', (first:await()))
      assert.equal('free', (proxy:hang()))
    end)
  )

  it(
    'waits no longer than the deadline, and forgets who gave up',
    inside(function()
      local release = {}
      local greeter = serve({
        work = function(_, i)
          local done, settle = perilune.future()
          release[i] = settle
          return (done:await())
        end,
      }, nil, { concurrency = 1, timeout = 10000 })
      local first = perilune.async(greeter):work(1)
      eventually(function()
        return release[1]
      end)
      local second = perilune.async(perilune.with(greeter, { timeout = 50 })):work(2)
      local third = perilune.async(greeter):work(3)
      turns(3)
      advance(60)
      local _, err = second:await()
      assert.equal('TIMEOUT', err.code)
      assert.truthy(err.message:find('no place was free', 1, true))
      local fourth = perilune.async(greeter):work(4)
      turns(3)
      third:cancel()
      release[1] 'one'
      assert.equal('one', (first:await()))
      eventually(function()
        return release[4]
      end)
      assert.is_nil(release[3])
      release[4] 'four'
      assert.equal('four', (fourth:await()))
    end)
  )

  it(
    'gives back the place of a call that fails or throws',
    inside(function()
      local bad = true
      local greeter = serve(
        {
          work = function()
            return 'done'
          end,
        },
        nil,
        {
          concurrency = 1,
          attempt_filters = {
            function(ctx, call, next)
              if bad then
                error 'a bug'
              end
              return next(ctx, call)
            end,
          },
        }
      )
      for _ = 1, 3 do
        local _, err = greeter:work()
        assert.equal('INTERNAL', err.code)
      end
      bad = false
      assert.equal('done', (greeter:work()))
    end)
  )
end)

describe('concurrency of a provider', function()
  it(
    'refuses what is too much, and says that it did not run',
    inside(function()
      local release
      local greeter = serve({
        work = function()
          local done, settle = perilune.future()
          release = settle
          return (done:await())
        end,
      }, { concurrency = 1 })
      local first = perilune.async(greeter):work()
      eventually(function()
        return release
      end)
      local _, err = greeter:work()
      assert.equal('OVERLOADED', err.code)
      assert.equal('REFUSED', err.outcome)
      assert.is_true(err.retryable)
      release 'done'
      assert.equal('done', (first:await()))
      local again = perilune.async(greeter):work()
      release = nil
      eventually(function()
        return release
      end)
      release 'again'
      assert.equal('again', (again:await()))
    end)
  )
end)
