-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('perilune.async', function()
  it(
    'gives a future that can be awaited more than once',
    inside(function()
      local greeter = serve {
        hello = function(_, name)
          return 'hello ' .. name
        end,
        fail = function()
          return nil, perilune.error('NOT_FOUND', 'x')
        end,
      }
      local future = perilune.async(greeter):hello 'earth'
      assert.is_false(future:ready())
      assert.equal('hello earth', (future:await()))
      assert.is_true(future:ready())
      assert.equal('hello earth', (future:await()))
      local _, err = perilune.async(greeter):fail():await()
      assert.equal('NOT_FOUND', err.code)
    end)
  )

  it(
    'runs beside the caller',
    inside(function()
      local order = {}
      local greeter = serve {
        work = function(_, i)
          order[#order + 1] = i
          turns(2)
          return i
        end,
      }
      local a, b = perilune.async(greeter):work(1), perilune.async(greeter):work(2)
      assert.same({}, order)
      assert.equal(2, (b:await()))
      assert.equal(1, (a:await()))
    end)
  )

  it(
    'keeps nil arguments',
    inside(function()
      local greeter = serve {
        count = function(_, ...)
          return select('#', ...)
        end,
      }
      assert.equal(3, (perilune.async(greeter):count(nil, 1, nil):await()))
    end)
  )

  it(
    'can be awaited by many',
    inside(function()
      local future, settle = perilune.future()
      local seen = {}
      for i = 1, 5 do
        perilune.spawn(function()
          seen[i] = future:await()
        end)
      end
      turns(2)
      assert.is_true(settle 'news')
      assert.is_false(settle 'again')
      eventually(function()
        return #seen == 5
      end)
      assert.same({ 'news', 'news', 'news', 'news', 'news' }, seen)
    end)
  )

  it(
    'awaits no longer than told',
    inside(function()
      local future, settle = perilune.future()
      local done
      perilune.spawn(function()
        done = { future:await(20) }
      end)
      turns(2)
      advance(30)
      local result, err = done[1], done[2]
      assert.is_nil(result)
      assert.equal('TIMEOUT', err.code)
      settle(1)
      assert.equal(1, (future:await()))
    end)
  )
end)

describe('and_then', function()
  it(
    'gives what its function makes of the result or error',
    inside(function()
      local future, settle = perilune.future()
      local doubled = future:and_then(function(result)
        perilune.sleep(0)
        return result * 2
      end)
      settle(21)
      assert.equal(42, (doubled:await()))
      local failed, fail = perilune.future()
      local seen = failed:and_then(function(result, err)
        return nil, perilune.error('ABORTED', err.message)
      end)
      fail(nil, perilune.error('NOT_FOUND', 'x'))
      local _, err = seen:await()
      assert.equal('ABORTED', err.code)
      local thrown = future:and_then(function()
        error 'a bug'
      end)
      _, err = thrown:await()
      assert.equal('INTERNAL', err.code)
    end)
  )
end)

describe('perilune.all', function()
  it(
    'gives results in order, nil included',
    inside(function()
      local list = {}
      local settles = {}
      for i = 1, 3 do
        list[i], settles[i] = perilune.future()
      end
      local all = perilune.all(list)
      turns(2)
      settles[3] 'c'
      settles[1] 'a'
      settles[2](nil)
      local results = all:await()
      assert.equal('a', results[1])
      assert.is_nil(results[2])
      assert.equal('c', results[3])
      assert.same({}, (perilune.all({}):await()))
    end)
  )

  it(
    'fails with the first error and cancels the others',
    inside(function()
      local waiting, ended = false, false
      local greeter = serve {
        slow = function(ctx)
          waiting = true
          ctx:on_end(function()
            ended = true
          end)
          perilune.sleep(60000)
        end,
        fail = function()
          eventually(function()
            return waiting
          end)
          return nil, perilune.error('NOT_FOUND', 'x')
        end,
      }
      local async = perilune.async(perilune.with(greeter, { timeout = 60000 }))
      local slow = async:slow()
      local results, err = perilune.all({ slow, async:fail() }):await()
      assert.is_nil(results)
      assert.equal('NOT_FOUND', err.code)
      err = select(2, slow:await())
      assert.equal('CANCELLED', err.code)
      eventually(function()
        return ended
      end, 'the handler was cancelled too')
    end)
  )

  it(
    'refuses what is no future',
    inside(function()
      for _, wrong in ipairs { 1, 'x', { 1 }, { {} } } do
        assert.is_false((pcall(perilune.all, wrong)))
        assert.is_false((pcall(perilune.any, wrong)))
        assert.is_false((pcall(perilune.race, wrong)))
      end
    end)
  )
end)

describe('perilune.any and race', function()
  it(
    'any gives the first success',
    inside(function()
      local a, fail = perilune.future()
      local b, settle = perilune.future()
      local never = perilune.future()
      local any = perilune.any { a, b, never }
      turns(2)
      fail(nil, perilune.error('NOT_FOUND', 'x'))
      turns(2)
      assert.is_false(any:ready())
      settle 'b'
      assert.equal('b', (any:await()))
      local _, err = never:await()
      assert.equal('CANCELLED', err.code)
    end)
  )

  it(
    'any fails when all failed',
    inside(function()
      local a, fail_a = perilune.future()
      local b, fail_b = perilune.future()
      local any = perilune.any { a, b }
      turns(2)
      fail_b(nil, perilune.error('NOT_FOUND', 'b'))
      turns(2)
      fail_a(nil, perilune.error('ABORTED', 'a'))
      local _, err = any:await()
      assert.equal('ABORTED', err.code)
      _, err = perilune.any({}):await()
      assert.equal('BAD_REQUEST', err.code)
    end)
  )

  it(
    'race gives whatever is first',
    inside(function()
      local a, fail = perilune.future()
      local b = perilune.future()
      local race = perilune.race { a, b }
      turns(2)
      fail(nil, perilune.error('NOT_FOUND', 'x'))
      local _, err = race:await()
      assert.equal('NOT_FOUND', err.code)
      _, err = b:await()
      assert.equal('CANCELLED', err.code)
    end)
  )

  it(
    'cancelling a combination cancels what it waits for',
    inside(function()
      for _, combine in ipairs { perilune.all, perilune.any, perilune.race } do
        local a, b = perilune.future(), perilune.future()
        local both = combine { a, b }
        turns(2)
        assert.is_true(both:cancel())
        assert.is_false(both:cancel())
        local _, err = a:await()
        assert.equal('CANCELLED', err.code)
        _, err = b:await()
        assert.equal('CANCELLED', err.code)
      end
    end)
  )
end)

describe('perilune.check', function()
  it(
    'raises the error, or hands on the result',
    inside(function()
      local greeter = serve {
        hello = function()
          return 'hello'
        end,
        fail = function()
          return nil, perilune.error('NOT_FOUND', 'x')
        end,
      }
      assert.equal('hello', (perilune.check(greeter:hello())))
      assert.is_nil((perilune.check(nil)))
      local ok, err = pcall(function()
        perilune.check(greeter:fail())
      end)
      assert.is_false(ok)
      assert.equal('NOT_FOUND', err.code)
    end)
  )

  it(
    'in a handler hands the error on to its caller',
    inside(function()
      local inner = serve {
        fail = function()
          return nil, perilune.error('NOT_FOUND', 'deep')
        end,
      }
      local outer = serve {
        call = function()
          return perilune.check(inner:fail())
        end,
      }
      local _, err = outer:call()
      assert.equal('NOT_FOUND', err.code)
      assert.equal('deep', err.message)
    end)
  )
end)

describe('proxies', function()
  it(
    'are empty: any name is a remote method',
    inside(function()
      local service = {}
      local names = { 'with', 'async', 'call', 'end', 'ready', 'timeout', '__index', 'x.y' }
      for _, name in ipairs(names) do
        service[name] = function()
          return 'remote ' .. name
        end
      end
      local greeter = serve(service)
      for name in pairs(service) do
        assert.equal('remote ' .. name, (perilune.call(greeter, name)))
      end
      assert.is_false((pcall(function()
        greeter.x = 1
      end)))
      assert.is_false((pcall(function()
        return greeter[1]
      end)))
    end)
  )

  it(
    'with changes options of calls made through the result only',
    inside(function()
      local greeter = serve {
        look = function(ctx)
          return {
            left = ctx:left(),
            colour = ctx.call.attachments.colour,
            size = ctx.call.attachments.size,
          }
        end,
      }
      local green = perilune.with(greeter, { timeout = 50, attachments = { colour = 'green' } })
      local big = perilune.with(green, { attachments = { size = 'big' } })
      local seen = green:look()
      assert.truthy(seen.left <= 50 and seen.colour == 'green' and seen.size == nil)
      seen = big:look()
      assert.truthy(seen.left <= 50 and seen.colour == 'green' and seen.size == 'big')
      seen = greeter:look()
      assert.truthy(seen.left > 50 and seen.colour == nil)
      for _, wrong in ipairs { { timout = 1 }, { timeout = 'x' }, { attachments = 1 } } do
        assert.is_false((pcall(perilune.with, greeter, wrong)))
      end
      assert.is_false((pcall(perilune.with, {}, {})))
    end)
  )

  it(
    'oneway gives true and the handler runs',
    inside(function()
      local got
      local greeter = serve {
        note = function(ctx, what)
          got = { what, ctx.oneway }
          return 'nobody sees this'
        end,
        bad = function()
          error 'nobody sees this either'
        end,
      }
      local result, err = perilune.oneway(greeter):note 'news'
      assert.is_true(result)
      assert.is_nil(err)
      eventually(function()
        return got
      end)
      assert.same({ 'news', true }, got)
      assert.is_true((perilune.oneway(greeter):bad()))
      eventually(function()
        return #logged 'SCRIPT-ERROR' == 1
      end)
      -- Options and async keep it.
      assert.is_true((perilune.with(perilune.oneway(greeter), { timeout = 50 }):note 'more'))
      assert.is_true((perilune.async(perilune.oneway(greeter)):note('most'):await()))
      assert.equal(0, stats().futures)
    end)
  )

  it(
    'ready waits until calls can be made',
    inside(function()
      local greeter = serve { hello = function() end }
      assert.is_true((perilune.ready(greeter)))
      local nobody = perilune.refer { interface = 'demo.Nobody', url = 'joyrpc://127.0.0.1:1' }
      local ok, err = perilune.ready(nobody, 100)
      assert.falsy(ok)
      assert.truthy(err.code)
    end)
  )

  it(
    'fail with an error value when nobody is there',
    inside(function()
      local nobody =
        perilune.refer { interface = 'demo.Nobody', url = 'joyrpc://127.0.0.1:1', timeout = 200 }
      local result, err = nobody:hello()
      assert.is_nil(result)
      assert.is_true(err.retryable)
    end)
  )

  it(
    'of declarations that are wrong are refused with the place and a hint',
    inside(function()
      local function message(spec)
        local ok, text = pcall(perilune.refer, spec)
        assert.is_false(ok)
        return text
      end
      assert.truthy(
        message({ interface = 'demo.X', ulr = 'x' }):find("did you mean 'url'?", 1, true)
      )
      assert.truthy(message({ interface = 'demo.X' }):find('give it a url', 1, true))
      assert.truthy(message({ url = 'x' }):find('interface is required', 1, true))
      assert.truthy(message({ interface = 'a b', url = 'x' }):find('must match', 1, true))
      assert.truthy(
        message({ interface = 'demo.X', url = 'x', timeout = -1 }):find('timeout must be', 1, true)
      )
    end)
  )
end)

describe('futures of several', function()
  it(
    'end also when no coroutine is left for them',
    inside(function()
      core.set_limits { coroutines = 8 }
      for _, name in ipairs { 'all', 'any', 'race' } do
        local list, settle = {}, {}
        for i = 1, 16 do
          list[i], settle[i] = perilune.future()
        end
        local future = perilune[name](list)
        turns(2)
        for i = 1, name == 'any' and 16 or 0 do -- it goes on with those that it can wait for
          settle[i](nil, perilune.error 'ABORTED')
        end
        local _, err = future:await(1000)
        assert.equal(name == 'any' and 'ABORTED' or 'OVERLOADED', err.code, name)
        for _, one in ipairs(list) do
          assert.is_true(one:ready())
        end
      end
    end)
  )
end)
