-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('a deadline', function()
  it(
    'ends the call, and the handler behind it',
    inside(function()
      local why
      local greeter = serve({
        slow = function()
          local ok, err = pcall(perilune.sleep, 60000)
          why = { ok, err }
          return 'too late'
        end,
      }, nil, { timeout = 100 })
      local future = perilune.async(greeter):slow()
      eventually(function()
        return stats().calls == 1 and #core.fibers() > 0
      end)
      turns(3)
      advance(150)
      local _, err = future:await()
      assert.equal('TIMEOUT', err.code)
      assert.equal('UNKNOWN', err.outcome)
      eventually(function()
        return why
      end)
      assert.is_false(why[1])
      assert.truthy(why[2].code == 'TIMEOUT' or why[2].code == 'CANCELLED')
    end)
  )

  it(
    'is inherited by nested calls, spawned code and and_then',
    inside(function()
      local left = {}
      local inner = serve({
        leaf = function(ctx, name)
          left[name] = ctx:left()
        end,
      }, nil, { timeout = 60000 })
      local outer = serve({
        root = function()
          inner:leaf 'nested'
          local done, settle = perilune.future()
          perilune.spawn(function()
            inner:leaf 'spawned'
            settle(true)
          end)
          local chained = done:and_then(function()
            inner:leaf 'chained'
            return true
          end)
          perilune.async(inner):leaf('async'):await()
          perilune.detached(function()
            inner:leaf 'detached'
          end)
          chained:await()
        end,
      }, nil, { timeout = 700 })
      outer:root()
      eventually(function()
        return left.detached
      end)
      for _, name in ipairs { 'nested', 'spawned', 'chained', 'async' } do
        assert.truthy(left[name] > 0 and left[name] <= 700, name)
      end
      assert.truthy(left.detached > 700)
    end)
  )

  it(
    'of the method option wins over what the caller says',
    inside(function()
      local greeter = serve({
        look = function(ctx)
          return ctx:left()
        end,
      }, { methods = { look = { timeout = 30 } } }, { timeout = 60000 })
      assert.truthy((greeter:look()) <= 30)
    end)
  )

  it(
    'that passed already sends nothing',
    inside(function()
      local inner_calls = 0
      local inner = serve {
        leaf = function()
          inner_calls = inner_calls + 1
        end,
      }
      local seen
      local outer = serve({
        root = function()
          perilune.ready(inner)
          core.test_advance(500)
          pcall(perilune.sleep, 0)
          local _, err = inner:leaf()
          seen = err
        end,
      }, nil, { timeout = 100 })
      perilune.ready(inner)
      outer:root()
      eventually(function()
        return seen
      end)
      assert.equal('NOT_SENT', seen.outcome)
      assert.equal(0, inner_calls)
    end)
  )

  it(
    'that ends a wait of the handler is TIMEOUT there, whoever is first',
    inside(function()
      local codes = {}
      local greeter = serve({
        slow = function(ctx, i)
          local _, err = pcall(perilune.sleep, 60000)
          codes[i] = { err.code, ctx:cancelled() }
          error(err)
        end,
      }, { timeout = 5 }, { timeout = 60000 })
      for i = 1, 20 do
        local _, err = greeter:slow(i)
        assert.equal('TIMEOUT', err.code)
        assert.equal('deadline exceeded', err.message) -- all that peers learn who lack the code
        assert.same({ 'TIMEOUT', 'TIMEOUT' }, codes[i])
      end
    end)
  )

  it(
    'ends a loop that only gives turns away',
    inside(function()
      local greeter = serve({
        busy = function()
          while true do
            core.test_advance(1)
            perilune.sleep(0)
          end
        end,
      }, { timeout = 5 }, { timeout = 60000 })
      local _, err = greeter:busy()
      assert.equal('TIMEOUT', err.code)
    end)
  )

  it(
    'that passed in the queue is refused without running',
    inside(function()
      local ran = 0
      local greeter = serve({
        work = function()
          ran = ran + 1
          if ran == 1 then
            core.test_advance(500)
          end
        end,
      }, nil, { timeout = 100 })
      perilune.ready(greeter)
      local futures, N = {}, 300
      for i = 1, N do
        futures[i] = perilune.async(greeter):work()
      end
      local failed = 0
      for i = 1, N do
        local _, err = futures[i]:await()
        failed = failed + (err and 1 or 0)
      end
      eventually(function()
        return stats().calls == 0
      end)
      assert.truthy(stats().expired > 0)
      assert.truthy(ran < N and failed >= stats().expired)
      assert.equal(N, ran + stats().expired)
    end)
  )
end)

describe('cancelling', function()
  it(
    'a future cancels the handler on the other side within few turns',
    inside(function()
      local code, running
      local greeter = serve({
        slow = function(ctx)
          running = true
          local ok, err = pcall(perilune.sleep, 60000)
          code = not ok and err.code
          assert(ctx:cancelled() == 'CANCELLED')
        end,
      }, nil, { timeout = 60000 })
      local future = perilune.async(greeter):slow()
      eventually(function()
        return running
      end)
      assert.is_true(future:cancel())
      local _, err = future:await()
      assert.equal('CANCELLED', err.code)
      local before = stats().turns
      eventually(function()
        return code
      end)
      assert.equal('CANCELLED', code)
      assert.truthy(stats().turns - before < 20)
      eventually(function()
        return stats().calls == 0
      end)
    end)
  )

  it(
    'reaches nested calls, futures and spawned fibers of the handler',
    inside(function()
      local running, ended = 0, {}
      local inner = serve({
        leaf = function(_, name)
          running = running + 1
          local ok, err = pcall(perilune.sleep, 60000)
          ended[name] = not ok and err.code
        end,
      }, nil, { timeout = 60000 })
      local outer = serve({
        root = function()
          perilune.spawn(function()
            inner:leaf 'spawned'
          end)
          local future = perilune.async(inner):leaf 'async'
          inner:leaf 'nested'
          future:await()
        end,
      }, nil, { timeout = 60000 })
      local future = perilune.async(outer):root()
      eventually(function()
        return running == 3
      end)
      future:cancel()
      eventually(function()
        return ended.nested and ended.spawned and ended.async
      end)
      assert.same({ nested = 'CANCELLED', spawned = 'CANCELLED', async = 'CANCELLED' }, ended)
    end)
  )

  it(
    'comes from a peer that is gone',
    inside(function()
      local running, code, gone
      local greeter = serve({
        slow = function(ctx)
          running = true
          local ok, err = pcall(perilune.sleep, 60000)
          code = not ok and err.code
          gone = ctx:cancelled()
        end,
      }, nil, { timeout = 60000 })
      local future = perilune.async(greeter):slow()
      eventually(function()
        return running
      end)
      core.test_drop_accepted()
      local _, err = future:await()
      assert.equal('CLOSED', err.code)
      assert.equal('UNKNOWN', err.outcome)
      eventually(function()
        return code
      end)
      assert.equal('CANCELLED', code)
      assert.equal('CANCELLED', gone)
      assert.truthy(stats().dropped >= 1)
    end)
  )

  it(
    'makes every further wait raise or fail, and park a turn',
    inside(function()
      local inner = serve {
        leaf = function()
          return 'leaf'
        end,
      }
      local raised, failed, before, after, ended = 0, 0, nil, nil, false
      local running
      local greeter = serve({
        stubborn = function()
          running = true
          pcall(perilune.sleep, 60000)
          before = stats().turns
          for _ = 1, 20 do
            raised = raised + (pcall(perilune.sleep, 1) and 0 or 1)
            local _, err = inner:leaf()
            failed = failed + (err and 1 or 0)
          end
          after = stats().turns
          ended = true
        end,
      }, nil, { timeout = 60000 })
      perilune.ready(inner)
      local future = perilune.async(greeter):stubborn()
      eventually(function()
        return running
      end)
      future:cancel()
      eventually(function()
        return ended
      end)
      assert.equal(20, raised)
      assert.equal(20, failed)
      -- 40 waits: each gave the turn away, so that others ran.
      assert.truthy(after - before >= 40, ('%d turns'):format(after - before))
    end)
  )

  it(
    'an endless loop around a wait does not spin',
    inside(function()
      local rounds, running, others = 0, false, 0
      local greeter = serve({
        stubborn = function()
          running = true
          while rounds < 300 do
            pcall(perilune.sleep, 60000)
            rounds = rounds + 1
          end
        end,
        other = function()
          others = others + 1
          return others
        end,
      }, nil, { timeout = 60000 })
      local future = perilune.async(greeter):stubborn()
      eventually(function()
        return running
      end)
      future:cancel()
      local before, from = rounds, stats().turns
      assert.equal(1, (greeter:other()))
      eventually(function()
        return rounds >= 300
      end)
      assert.truthy(stats().turns - from >= 300 - before)
    end)
  )

  it(
    'an answer that was under way is counted and dropped',
    inside(function()
      local future
      local greeter = serve {
        hello = function()
          -- The caller gives up in the very turn in which the answer is written.
          future:cancel()
          return 'late'
        end,
        next = function()
          return 'in time'
        end,
      }
      perilune.ready(greeter)
      local before = stats().late
      future = perilune.async(greeter):hello()
      local _, err = future:await()
      assert.equal('CANCELLED', err.code)
      assert.equal('in time', (greeter:next()))
      assert.equal(before + 1, stats().late)
      assert.equal(0, stats().futures)
    end)
  )

  it(
    'a handler that goes on answers nobody',
    inside(function()
      local release
      local greeter = serve({
        slow = function()
          local done, settle = perilune.future()
          release = settle
          local _, err = done:await()
          return 'late ' .. tostring(err and err.code)
        end,
        stubborn = function()
          pcall(perilune.sleep, 60000)
          return 'late'
        end,
      }, nil, { timeout = 60000 })
      local answered = stats().answered
      local future = perilune.async(greeter):slow()
      eventually(function()
        return release
      end)
      future:cancel()
      eventually(function()
        return stats().calls == 0
      end)
      assert.equal(answered + 1, stats().answered)
      assert.equal(0, stats().futures)
      release()
    end)
  )
end)

describe('exactly once', function()
  it(
    'under cancels and timeouts at random',
    inside(function()
      local greeter = serve({
        work = function(_, kind, i)
          if kind == 1 then
            return i
          elseif kind == 2 then
            perilune.sleep(core.random(20))
            return i
          elseif kind == 3 then
            return nil, perilune.error('NOT_FOUND', tostring(i))
          elseif kind == 4 then
            perilune.sleep(60000)
          end
          error 'a bug'
        end,
      }, nil, { timeout = 60000 })
      perilune.ready(greeter)
      local N = 400
      local results, futures = 0, {}
      for i = 1, N do
        local kind = core.random(5)
        local proxy = perilune.with(greeter, { timeout = kind == 4 and core.random(30) or 60000 })
        local future = perilune.async(proxy):work(kind, i)
        futures[i] = future
        perilune.spawn(function()
          local result, err = future:await()
          assert(err ~= nil or result == i)
          results = results + 1
        end)
        if core.random(3) == 1 then
          local turns_left = core.random(4)
          perilune.spawn(function()
            turns(turns_left)
            future:cancel()
          end)
        end
        if i % 50 == 0 then
          turns(1)
        end
      end
      eventually(function()
        advance(5)
        return results == N
      end)
      for _, future in ipairs(futures) do
        assert.is_true(future:ready())
      end
      eventually(function()
        return stats().calls == 0 and stats().futures == 0
      end)
      assert.equal(0, require('perilune.entry.future').pending())
      assert.equal(0, stats().script_errors)
    end)
  )

  it(
    'when the connection is cut in the middle',
    inside(function()
      local greeter = serve({
        work = function()
          perilune.sleep(60000)
        end,
      }, nil, { timeout = 60000 })
      perilune.ready(greeter)
      local ended = 0
      for _ = 1, 100 do
        perilune.async(greeter):work():and_then(function(_, err)
          assert(err)
          ended = ended + 1
        end)
      end
      eventually(function()
        return stats().calls == 100
      end)
      core.test_drop_accepted()
      eventually(function()
        return ended == 100
      end)
      eventually(function()
        return stats().calls == 0 and stats().futures == 0
      end)
    end)
  )
end)
