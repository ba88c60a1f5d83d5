-- SPDX-License-Identifier: MIT
-- What becomes of calls between the wire and their handler.
local inside = require('spec.support.vm').inside

describe('admission', function()
  it(
    'refuses what is over the limit of a connection',
    inside(function()
      core.test_limit('calls_per_conn', 3)
      local greeter = serve({
        wait = function()
          perilune.sleep(1000)
          return 'done'
        end,
      }, nil, { timeout = 60000 })
      perilune.ready(greeter)
      local futures = {}
      for i = 1, 8 do
        futures[i] = perilune.async(greeter):wait()
      end
      eventually(function()
        local refused = 0
        for i = 1, 8 do
          refused = refused + (futures[i]:ready() and 1 or 0)
        end
        return refused == 5
      end)
      advance(1100)
      local done, refused = 0, 0
      for i = 1, 8 do
        local result, err = futures[i]:await()
        if err then
          assert.equal('OVERLOADED', err.code)
          assert.equal('REFUSED', err.outcome)
          refused = refused + 1
        else
          assert.equal('done', result)
          done = done + 1
        end
      end
      assert.equal(3, done)
      assert.equal(5, refused)
    end)
  )

  it(
    'of a worker that drains says SHUTDOWN, and may be tried elsewhere',
    inside(function()
      local release
      local greeter = serve {
        slow = function()
          local done, settle = perilune.future()
          release = settle
          return (done:await())
        end,
        hello = function()
          return 'hello'
        end,
      }
      local slow = perilune.async(greeter):slow()
      eventually(function()
        return release
      end)
      core.drain()
      local _, err = greeter:hello()
      assert.truthy(err.code == 'SHUTDOWN' or err.code == 'CLOSED')
      assert.is_true(err.retryable)
      release 'finished'
      assert.equal('finished', (slow:await()))
    end)
  )
end)

describe('arguments that do not decode', function()
  it(
    'are BAD_REQUEST, the handler does not run',
    inside(function()
      local ran = false
      -- The raw session sends any bytes; the service decodes them as what the header says.
      local greeter = serve({
        f = function(_, a)
          ran = type(a)
          return 'ran'
        end,
      }, nil, { serialization = 'json' })
      -- Integers beyond 2^53 are an error by default.
      local result, err = greeter:f(require('ffi').new('int64_t', 2 ^ 62))
      assert.is_nil(result)
      assert.equal('BAD_REQUEST', err.code)
      assert.truthy(err.message:find('int64', 1, true), err.message)
      assert.is_false(ran)
      assert.equal('ran', (greeter:f(1)))
    end)
  )

  it(
    'are kept as asked by int64',
    inside(function()
      local service = {
        kind = function(_, a)
          return type(a)
        end,
      }
      local big = require('ffi').new('int64_t', 2 ^ 62)
      assert.equal('cdata', ((serve(service, { int64 = 'cdata' })):kind(big)))
      assert.equal('string', ((serve(service, { int64 = 'string' })):kind(big)))
      assert.equal('number', ((serve(service, { int64 = 'string' })):kind(5)))
    end)
  )
end)

describe('integers of 64 bits', function()
  it(
    'do not end the wait of the call that sends or gets them, however hot',
    inside(function()
      -- The compiler gives up traces by throwing, which would end the yield of a fiber.
      jit.opt.start('hotloop=2', 'hotexit=2')
      local ffi = require 'ffi'
      local greeter = serve({
        echo = function(_, a)
          return a
        end,
      }, { int64 = 'cdata' }, { int64 = 'cdata' })
      local kinds = { ffi.new('int64_t', -2 ^ 62), ffi.new('int64_t', 2 ^ 61) }
      for i = 1, 300 do
        if i % 50 == 0 then
          jit.flush()
        end
        local result, err = greeter:echo(kinds[i % 2 + 1])
        assert.is_nil(err)
        assert.is_true(result == kinds[i % 2 + 1])
      end
    end)
  )
end)

describe('a worker under many calls', function()
  it(
    'answers each with its own answer',
    inside(function()
      core.test_limit('queue_ms', 0) -- however busy the machine is
      local greeter = serve({
        echo = function(_, i)
          if i % 7 == 0 then
            perilune.sleep(0)
          end
          if i % 11 == 0 then
            return nil, perilune.error('NOT_FOUND', tostring(i))
          end
          return i
        end,
      }, nil, { timeout = 60000 })
      perilune.ready(greeter)
      local N, done = 3000, 0
      for i = 1, N do
        perilune.spawn(function()
          local result, err = greeter:echo(i)
          if i % 11 == 0 then
            assert.equal(tostring(i), err.message)
          else
            assert.equal(i, result)
          end
          done = done + 1
        end)
        if i % 64 == 0 then
          turns(1)
        end
      end
      eventually(function()
        return done == N
      end)
      local now = stats()
      assert.equal(now.arrived, now.answered)
      assert.equal(0, now.calls)
      assert.equal(0, now.script_errors)
    end)
  )

  it(
    'does not mix up what filters keep for them',
    inside(function()
      core.test_limit('queue_ms', 0) -- however busy the machine is
      local greeter = serve({
        echo = function(ctx, i)
          if i % 3 == 0 then
            perilune.sleep(0)
          end
          return ctx.state.i == i and ctx.call.args[1] == i and ctx.call.attachments.i == i
        end,
      }, {
        filters = {
          function(ctx, call, next)
            ctx.state.i = call.args[1]
            if call.args[1] % 2 == 0 then
              perilune.sleep(0)
            end
            return next(ctx, call)
          end,
        },
      }, {
        timeout = 60000,
        filters = {
          function(ctx, call, next)
            call.attachments.i = call.args[1]
            return next(ctx, call)
          end,
        },
      })
      perilune.ready(greeter)
      local N, done, wrong = 600, 0, 0
      for i = 1, N do
        perilune.spawn(function()
          if greeter:echo(i) ~= true then
            wrong = wrong + 1
          end
          done = done + 1
        end)
      end
      eventually(function()
        return done == N
      end)
      assert.equal(0, wrong)
    end)
  )

  it(
    'keeps the session of a call that is over for others',
    inside(function()
      local proxy, interface = serve {
        wait = function()
          perilune.sleep(150000)
          return 'done'
        end,
      }
      perilune.ready(proxy)
      local want = { interface = interface, alias = '', serialization = 'msgpack' }
      local conn = core.connect(core.test_url(), {})
      local first = core.session(conn, want)
      core.set_limits { call_timeout = 300000 }
      local ok, result
      core.spawn(function()
        ok, result = core.request(conn, first.id, 'wait', {}, 200000)
      end)
      eventually(function()
        return stats().calls == 1
      end)
      turns(2)
      advance(100000) -- more than what it lives without a beat
      advance(2000) -- is looked through now
      advance(60000)
      eventually(function()
        return ok
      end)
      assert.equal('done', result)
      core.disconnect(conn)
    end)
  )
end)
