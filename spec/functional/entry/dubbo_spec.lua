-- SPDX-License-Identifier: MIT
-- Two of us that speak Dubbo 2 with each other.
local inside = require('spec.support.vm').inside

describe('over Dubbo', function()
  it(
    'functions are called back by the method their interface declares',
    inside(function()
      local watch = perilune.interface [[
        package demo;
        interface Watch {
          String watch(String text, Listener listener);
          interface Listener { String heard(String text, short count); }
        }
      ]]
      local kept
      local service = serve(
        {
          watch = function(_, text, listener)
            if listener then
              kept = listener
              return perilune.check(listener(text, 7))
            end
          end,
        },
        { interface = watch },
        { interface = watch, url = (core.test_url():gsub('^%w+', 'dubbo')) }
      )
      local seen
      local function heard(_, text, count)
        seen = count
        return 'heard ' .. text
      end
      assert.equal('heard news', perilune.check(service:watch('news', heard)))
      assert.equal(7, seen)
      local first = kept
      assert.equal('heard more', perilune.check(service:watch('more', heard)))
      assert.is_true(first == kept)
      assert.equal('heard again', perilune.check(first:call({ method = 'heard' }, 'again', 1)))
      local _, err = first:call({ method = 'hard' }, 'again', 1)
      assert.truthy(err.message:find("demo.Watch$Listener declares no method 'hard'", 1, true))
      _, err = first('again', 'x')
      assert.equal('BAD_REQUEST', err.code)
      assert.is_nil(perilune.check(service:watch('none', nil)))
      _, err = service:watch('none', 7)
      assert.equal('BAD_REQUEST', err.code)
      -- The peer counts functions: the same one keeps its number until it is released.
      assert.equal(1, perilune.release(heard))
      _, err = kept('again', 1)
      assert.equal('NOT_FOUND', err.code)
    end)
  )

  it(
    'exceptions are values, with class and fields',
    inside(function()
      local service = serve({
        fail = function()
          return nil,
            perilune.error(
              'NOT_FOUND',
              'no moon',
              perilune.java.exception('demo.Gone', 'no moon', { code = 7 })
            )
        end,
      }, nil, { url = (core.test_url():gsub('^%w+', 'dubbo')) })
      local _, err = service:fail()
      assert.equal('demo.Gone', err.class)
      assert.equal('no moon', err.message)
      assert.equal(7, err.details.code)
    end)
  )

  it(
    'several functions go with a call, and $echo and generic calls are answered',
    inside(function()
      local both = perilune.interface {
        name = 'demo.Both',
        methods = { both = { 'demo.One', 'int', 'demo.One', returns = 'java.lang.String' } },
        classes = { ['demo.One'] = { methods = { a = { 'java.lang.String' }, b = {} } } },
      }
      local service = serve({
        both = function(_, one, count, two)
          local first = perilune.check(one:call({ method = 'a' }, 'x'))
          return first .. count .. perilune.check(two:call { method = 'b' })
        end,
      }, { interface = both, alias = 'prod:1.0' }, {
        interface = both,
        alias = 'prod:1.0',
        url = (core.test_url():gsub('^%w+', 'dubbo')),
      })
      local function one(ctx, text)
        return text .. ctx.call.method
      end
      local function two(ctx)
        return ctx.call.method
      end
      assert.equal('xa3b', perilune.check(service:both(one, 3, two)))
      local list = perilune.check(perilune.call(service, '$echo', { 'there' }))
      assert.same({ 'there' }, list)
      assert.is_nil(perilune.check(perilune.call(service, '$echo', nil)))
      local _, err = perilune.generic(service):invoke('none', { 'int' }, { 1 })
      assert.equal('NO_METHOD: the service has no such method: demo.Both.none', tostring(err))
      local gone = perilune.refer {
        interface = 'demo.Gone',
        url = (core.test_url():gsub('^%w+', 'dubbo')),
      }
      _, err = perilune.call(gone, '$echo', 1)
      assert.equal('NO_SERVICE', err.code)
      _, err = gone:watch(one)
      assert.equal('BAD_REQUEST', err.code)
      assert.truthy(err.message:find 'perilune.interface')
    end)
  )
end)
