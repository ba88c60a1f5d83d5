-- SPDX-License-Identifier: MIT
-- Functions as arguments, called back over the connection of the call.
local inside = require('spec.support.vm').inside

describe('a function as an argument', function()
  it(
    'is called back while the handler runs',
    inside(function()
      local service = serve {
        each = function(_, list, fn, last)
          local results = {}
          for i, item in ipairs(list) do
            results[i] = fn(item, i)
          end
          return { results, last }
        end,
      }
      local result = perilune.check(service:each({ 'a', 'b' }, function(ctx, item, i)
        assert.equal('provider', ctx.side)
        return item .. i
      end, 'end'))
      assert.same({ { 'a1', 'b2' }, 'end' }, result)
    end)
  )

  it(
    "may be declared as JoyRPC's Callback, with its types",
    inside(function()
      local watch = perilune.interface [[
        package demo;
        import io.joyrpc.Callback;
        interface Watch {
          String watch(String topic, Callback<News, Integer> listener);
          String any(Callback listener);
        }
        class News { String text; long at; }
      ]]
      local service = serve({
        watch = function(_, topic, listener)
          local _, err = listener { text = 5 }
          return topic .. perilune.check(listener { text = 'moon', at = 7 }) .. err.code
        end,
        any = function(_, listener)
          return perilune.check(listener('a', 1))
        end,
      }, { interface = watch }, { interface = watch, serialization = 'hessian2' })
      local class
      assert.equal(
        'news: 4BAD_REQUEST',
        perilune.check(service:watch('news: ', function(_, news)
          class = perilune.class_of(news)
          return #news.text
        end))
      )
      assert.equal('demo.News', class)
      assert.equal(
        'a1',
        perilune.check(service:any(function(_, text, number)
          return text .. number
        end))
      )
      local _, err = service:watch('news', 5)
      assert.truthy(err.message:find('wants a function for io.joyrpc.Callback', 1, true))
    end)
  )

  it(
    'may be several, and wait',
    inside(function()
      local service = serve {
        both = function(_, one, two)
          local a = perilune.check(one 'x')
          return a .. perilune.check(two 'y')
        end,
      }
      local function slow(_, x)
        perilune.sleep(5)
        return x .. x
      end
      assert.equal(
        'xxy!',
        perilune.check(service:both(slow, function(_, y)
          return y .. '!'
        end))
      )
    end)
  )

  it(
    'knows by which method it is called',
    inside(function()
      local service = serve {
        call = function(_, fn)
          return { fn(), fn:call { method = 'changed' }, fn:call { method = ('x'):rep(255) } }
        end,
      }
      local seen = perilune.check(service:call(function(ctx)
        perilune.sleep(1)
        return ctx.call.interface .. ' ' .. ctx.call.method
      end))
      assert.same({
        'perilune.Callback notify',
        'perilune.Callback changed',
        'perilune.Callback ' .. ('x'):rep(255),
      }, seen)
    end)
  )

  it(
    'gives its failures to the handler',
    inside(function()
      local service = serve {
        try = function(_, fn)
          local result, err = fn()
          return { result = result, code = err.code, message = err.message }
        end,
      }
      local got = perilune.check(service:try(function()
        return nil, perilune.error('NOT_FOUND', 'nothing here')
      end))
      assert.same({ code = 'NOT_FOUND', message = 'nothing here' }, got)
      got = perilune.check(service:try(function()
        error 'broken'
      end))
      assert.equal('INTERNAL', got.code)
    end)
  )

  it(
    'stays callable after the handler returned, until the consumer releases it',
    inside(function()
      local kept
      local service = serve {
        subscribe = function(_, fn)
          kept = fn
          return true
        end,
      }
      local heard = {}
      local function listen(_, news)
        heard[#heard + 1] = news
        return #heard
      end
      assert.is_true(service:subscribe(listen))
      assert.is_true(kept:alive())
      assert.equal(1, (kept 'first'))
      assert.equal(2, (kept 'second'))
      assert.same({ 'first', 'second' }, heard)
      assert.equal(1, perilune.release(listen))
      assert.equal(0, perilune.release(listen))
      local _, err = kept 'late'
      assert.equal('NOT_FOUND', err.code)
      assert.truthy(err.message:find('released', 1, true))
      assert.equal(2, #heard)
    end)
  )

  it(
    'is forgotten when the provider closes it',
    inside(function()
      local kept
      local service = serve {
        subscribe = function(_, fn)
          kept = fn
        end,
      }
      local function listen() end
      service:subscribe(listen)
      kept:close()
      kept:close()
      assert.is_false(kept:alive())
      local _, err = kept()
      assert.equal('CLOSED', err.code)
      assert.equal('NOT_SENT', err.outcome)
      eventually(function()
        return core.callback_release(listen) == 0
      end, 'the release')
    end)
  )

  it(
    'is forgotten when the provider has dropped it',
    inside(function()
      local service = serve {
        take = function(_, fn)
          return perilune.check(fn())
        end,
      }
      local function seven()
        return 7
      end
      assert.equal(7, (service:take(seven)))
      collectgarbage()
      collectgarbage()
      eventually(function()
        turns(1)
        return core.callback_count() == 0
      end, 'the release')
      assert.equal(0, perilune.release(seven))
    end)
  )

  it(
    'fails as CLOSED when its owner is gone',
    inside(function()
      local kept
      local service = serve {
        subscribe = function(_, fn)
          kept = fn
          return true
        end,
      }
      assert.is_true(service:subscribe(function() end))
      core.test_drop_accepted()
      turns(3)
      assert.is_false(kept:alive())
      local _, err = kept()
      assert.equal('CLOSED', err.code)
      assert.truthy(tostring(kept):find('closed', 1, true))
    end)
  )

  it(
    'inherits the deadline of the call that runs, and is cancelled with it',
    inside(function()
      local left, ended
      local service = serve {
        run = function(_, fn)
          local _, err = fn()
          return nil, err
        end,
      }
      local quick = perilune.with(service, { timeout = 20 })
      local _, err = quick:run(function(ctx)
        left = ctx:left()
        local ok, why = pcall(perilune.sleep, 10000)
        ended = not ok and tostring(why)
      end)
      assert.equal('TIMEOUT', err.code)
      assert.is_true(left <= 20)
      eventually(function()
        return ended
      end, 'the end of the callback')
    end)
  )

  it(
    'is cancelled when the call is, and takes no call of the consumer along',
    inside(function()
      local began, ended
      local service = serve {
        run = function(_, fn)
          return (fn())
        end,
        try = function(_, fn)
          local _, err = fn:call({ timeout = 5 }, 1)
          return err.code
        end,
      }
      local function slow()
        began = true
        local ok = pcall(perilune.sleep, 10000)
        ended = not ok
      end
      local future = perilune.async(service):run(slow)
      eventually(function()
        return began
      end)
      future:cancel()
      eventually(function()
        return ended
      end, 'the end of the callback')
      -- The first call of either end has number 1.
      ended = false
      assert.equal('TIMEOUT', (service:try(slow)))
      eventually(function()
        return ended
      end, 'the end of the second callback')
    end)
  )

  it(
    'takes options: a timeout, one way, a method, attachments',
    inside(function()
      local kept
      local service = serve {
        subscribe = function(_, fn)
          kept = fn
        end,
      }
      local heard
      service:subscribe(function(ctx, what)
        heard = what .. (ctx.call.attachments.color or '')
        if what == 'slow' then
          perilune.sleep(1000)
        end
        return what
      end)
      assert.is_true(kept:call({ oneway = true }, 'news'))
      eventually(function()
        return heard == 'news'
      end)
      assert.equal('x', (kept:call({ attachments = { color = 'red' } }, 'x')))
      assert.equal('xred', heard)
      local _, err = kept:call({ timeout = 20 }, 'slow')
      assert.equal('TIMEOUT', err.code)
      local ok, message = pcall(kept.call, kept, { timout = 1 })
      assert.is_false(ok)
      assert.truthy(message:find("did you mean 'timeout'", 1, true))
    end)
  )

  it(
    'is there for filters that look at the arguments',
    inside(function()
      perilune.filter('look', function(ctx, call, next)
        assert.equal('userdata', type(call.args[1]))
        return next(ctx, call)
      end)
      local service = serve({
        run = function(_, fn)
          return (fn(1))
        end,
      }, { filters = { 'look' } })
      local function double(_, n)
        return n * 2
      end
      assert.equal(2, (service:run(double)))
      assert.equal(2, (service:run(double, 'more', 'than', 'it', 'takes')))
    end)
  )

  it(
    'is bounded per connection, and what was refused is not kept',
    inside(function()
      core.set_limits { callbacks_per_connection = 3 }
      local kept = {}
      local service = serve {
        subscribe = function(_, fn)
          kept[#kept + 1] = fn
          return #kept
        end,
      }
      local function listen() end
      for i = 1, 3 do
        assert.equal(i, (service:subscribe(listen)))
      end
      local _, err = service:subscribe(listen)
      assert.equal('OVERLOADED', err.code)
      assert.truthy(err.message:find('callbacks_per_connection = 3', 1, true))
      kept[1]:close()
      table.remove(kept, 1)
      eventually(function()
        return core.callback_count() == 2
      end)
      assert.equal(3, (service:subscribe(listen)))
      local late = service:nothing(listen)
      assert.is_nil(late)
      assert.equal(3, core.callback_count())
    end)
  )

  it(
    'that was never run for is not kept',
    inside(function()
      local service = serve {
        none = function() end,
      }
      local function listen() end
      local _, err = service:no_such_method(listen)
      assert.equal('NO_METHOD', err.code)
      assert.equal(0, core.callback_count())
      local _, bad = service:none(listen, { print })
      assert.equal('BAD_REQUEST', bad.code)
      assert.equal(0, core.callback_count())
    end)
  )

  it(
    'cannot be called by another connection or with another number',
    inside(function()
      local kept
      local service = serve {
        subscribe = function(_, fn)
          kept = fn
        end,
      }
      service:subscribe(function()
        return 'mine'
      end)
      local _, name = core.callback_alive(kept)
      assert.equal('mine', (kept()))
      -- The same number after its end: another generation.
      kept:close()
      turns(3)
      local again
      service:subscribe(function()
        return 'other'
      end)
      again = kept
      local _, other = core.callback_alive(again)
      assert.not_equal(name, other)
      assert.equal('other', (again()))
    end)
  )

  it(
    'cannot lie in a table, nor go with raw',
    inside(function()
      local service = serve {
        take = function() end,
      }
      local _, err = service:take { print }
      assert.equal('BAD_REQUEST', err.code)
      local raw = serve({ take = function() end }, nil, { serialization = 'raw' })
      _, err = raw:take(print)
      assert.equal('BAD_REQUEST', err.code)
    end)
  )
end)
