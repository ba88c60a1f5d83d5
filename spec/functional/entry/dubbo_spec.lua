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
    'exceptions are values, with code, class, message, fields and cause, as they are natively',
    inside(function()
      -- What the consumer sees of a failure that the handler makes.
      local function failures(url)
        local reply
        local function note(ctx, call, next)
          local result, err = next(ctx, call)
          reply = ctx.reply
          return result, err
        end
        local service = serve({
          fail = function(_, how)
            local cause = perilune.java.exception('demo.Cloud', 'a cloud', { height = 3 })
            local gone = { code = 7, cause = cause }
            return nil,
              perilune.error(
                'NOT_FOUND',
                how == 'same' and 'no moon' or how == 'none' and '' or 'nothing: really',
                perilune.java.exception('demo.Gone', how ~= 'bare' and 'no moon' or nil, gone)
              )
          end,
          unnamed = function()
            return nil,
              perilune.error('UNKNOWN', 'TIMEOUT: x', perilune.java.exception('demo.Odd', 'x'))
          end,
          plain = function()
            return nil, perilune.error('FORBIDDEN', 'not you')
          end,
          reply = function(ctx)
            ctx.reply.colour = 'blue'
            return nil, perilune.error('NOT_FOUND', 'no', perilune.java.exception('demo.Gone', 'x'))
          end,
        }, nil, { url = url, filters = { note } })
        local seen = {}
        for _, call in ipairs { { 'same' }, { 'other' }, { 'none' }, { 'bare' } } do
          local _, err = service:fail(call[1])
          table.insert(seen, err)
        end
        for _, method in ipairs { 'unnamed', 'plain', 'reply' } do
          local _, err = perilune.call(service, method)
          table.insert(seen, err)
        end
        assert.equal('blue', reply.colour)
        return seen
      end
      local native = failures(core.test_url())
      local dubbo = failures((core.test_url():gsub('^%w+', 'dubbo')))
      for i, want in ipairs(native) do
        local err = dubbo[i]
        assert.same(
          { want.code, want.message, want.class },
          { err.code, err.message, err.class },
          i
        )
        assert.same(want.details, err.details)
        assert.equal(want.cause and want.cause.class, err.cause and err.cause.class)
        assert.same(want.cause and want.cause.details, err.cause and err.cause.details)
      end
      local err = dubbo[1]
      assert.equal('NOT_FOUND', err.code)
      assert.equal('demo.Gone', err.class)
      assert.equal('no moon', err.message)
      assert.equal(7, err.details.code)
      assert.equal('a cloud', err.cause.message)
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
