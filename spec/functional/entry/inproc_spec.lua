-- SPDX-License-Identifier: MIT
-- Calls of services of the same process, without a connection.
local app = require 'spec.support.app'
local inside = require('spec.support.vm').inside

describe('a refer of a service of its own process', function()
  teardown(app.stop_all)

  it(
    'calls it without a connection, through both chains',
    inside(function()
      local order = {}
      local function note(name)
        return function(ctx, call, next)
          order[#order + 1] = name .. ' ' .. ctx.side
          return next(ctx, call)
        end
      end
      perilune.export {
        interface = 'demo.Near',
        filters = { note 'inner' },
        service = {
          hello = function(ctx, name)
            assert.is_true(ctx.is_local)
            assert.equal('inproc', ctx.peer)
            return 'hello ' .. name
          end,
        },
      }
      local near = perilune.refer {
        interface = 'demo.Near',
        url = 'inproc://',
        filters = { note 'outer' },
      }
      assert.is_true(perilune.ready(near))
      assert.equal('hello moon', (near:hello 'moon'))
      assert.same({ 'outer consumer', 'inner provider' }, order)
      assert.equal(0, stats().links)
    end)
  )

  it(
    'shares no tables with it',
    inside(function()
      local kept
      perilune.export {
        interface = 'demo.Near',
        service = {
          keep = function(_, list)
            kept = list
            list[1] = 'changed'
            return list
          end,
        },
      }
      local near = perilune.refer { interface = 'demo.Near', url = 'inproc://' }
      local mine = { 'mine' }
      local result = near:keep(mine)
      assert.same({ 'mine' }, mine)
      assert.same({ 'changed' }, result)
      assert.not_equal(kept, result)
    end)
  )

  it(
    'gets errors, nothing, attachments of both ends, and waits',
    inside(function()
      local got
      perilune.export {
        interface = 'demo.Near',
        service = {
          fail = function(ctx)
            ctx.reply.why = 'because'
            return nil, perilune.error('NOT_FOUND', 'nothing')
          end,
          none = function() end,
          slow = function(_, ms)
            perilune.sleep(ms)
            return ms
          end,
          color = function(ctx)
            ctx.reply.seen = true
            return ctx.call.attachments.color
          end,
          crash = function()
            error 'broken'
          end,
        },
      }
      local near = perilune.refer {
        interface = 'demo.Near',
        url = 'inproc://',
        filters = {
          function(ctx, call, next)
            local result, err = next(ctx, call)
            got = ctx.reply
            return result, err
          end,
        },
      }
      local _, err = near:fail()
      assert.equal('NOT_FOUND', err.code)
      assert.same({ why = 'because' }, got)
      assert.same({ n = 1 }, { n = select('#', near:none()), (near:none()) })
      assert.equal(5, (near:slow(5)))
      local red = perilune.with(near, { attachments = { color = 'red' } })
      assert.equal('red', (red:color()))
      assert.same({ seen = true }, got)
      _, err = near:crash()
      assert.equal('INTERNAL', err.code)
      _, err = near:unknown()
      assert.equal('NO_METHOD', err.code)
      _, err = near:none { print }
      assert.equal('BAD_REQUEST', err.code)
      assert.equal('NOT_SENT', err.outcome)
    end)
  )

  it(
    'keeps deadlines and cancels',
    inside(function()
      local began, ended = 0, 0
      perilune.export {
        interface = 'demo.Near',
        service = {
          wait = function(ctx)
            began = began + 1
            assert.is_true(ctx:left() <= 5000)
            local ok, why = pcall(perilune.sleep, 100000)
            ended = ended + (ok and 0 or 1)
            error(why, 0)
          end,
        },
      }
      local near = perilune.refer { interface = 'demo.Near', url = 'inproc://' }
      local _, err = perilune.with(near, { timeout = 10 }):wait()
      assert.equal('TIMEOUT', err.code)
      eventually(function()
        return ended == 1
      end, 'the end of the first')
      local future = perilune.async(near):wait()
      eventually(function()
        return began == 2
      end)
      future:cancel()
      eventually(function()
        return ended == 2
      end, 'the end of the second')
      assert.equal(0, stats().calls)
    end)
  )

  it(
    'sends one way',
    inside(function()
      local heard
      perilune.export {
        interface = 'demo.Near',
        service = {
          tell = function(ctx, what)
            heard = what
            assert.is_true(ctx.oneway)
          end,
        },
      }
      local near = perilune.refer { interface = 'demo.Near', url = 'inproc://' }
      assert.is_true(perilune.oneway(near):tell 'news')
      eventually(function()
        return heard == 'news'
      end)
    end)
  )

  it(
    'takes bodies as they are',
    inside(function()
      perilune.export {
        interface = 'demo.Near',
        body = true,
        service = {
          echo = function(_, body)
            return body
          end,
          size = function(_, body)
            return tostring(#body)
          end,
        },
      }
      local raw = perilune.refer {
        interface = 'demo.Near',
        url = 'inproc://',
        serialization = 'raw',
      }
      assert.equal('bytes', (raw:echo 'bytes'))
      assert.equal('5', (raw:size 'bytes'))
      local packed = perilune.refer { interface = 'demo.Near', url = 'inproc://' }
      assert.same({ 'a', 1 }, (packed:echo('a', 1)))
    end)
  )

  it(
    'keeps the limits of the service',
    inside(function()
      perilune.export {
        interface = 'demo.Near',
        concurrency = 1,
        token = 'secret',
        service = {
          wait = function()
            perilune.sleep(5)
            return 'done'
          end,
        },
      }
      local near = perilune.refer { interface = 'demo.Near', url = 'inproc://', token = 'secret' }
      local first, second = perilune.async(near):wait(), perilune.async(near):wait()
      local _, err = second:await()
      assert.equal('OVERLOADED', err.code)
      assert.equal('REFUSED', err.outcome)
      assert.equal('done', (first:await()))
      local stranger = perilune.refer { interface = 'demo.Near', url = 'inproc://' }
      _, err = stranger:wait()
      assert.equal('UNAUTHENTICATED', err.code)
    end)
  )

  it(
    'goes by the wire for functions, where there is one, and without the option',
    inside(function()
      local peers = {}
      local handle = perilune.export {
        interface = 'demo.Near',
        service = {
          run = function(ctx, fn)
            peers[#peers + 1] = ctx.peer
            return fn and (fn())
          end,
        },
      }
      local near = perilune.refer {
        interface = 'demo.Near',
        url = core.test_url(),
        inproc = true,
      }
      assert.is_nil((near:run()))
      assert.equal(7, (near:run(function()
        return 7
      end)))
      local far = perilune.refer { interface = 'demo.Near', url = core.test_url() }
      far:run()
      assert.equal('inproc', peers[1])
      assert.not_equal('inproc', peers[2])
      assert.not_equal('inproc', peers[3])
      local only = perilune.refer { interface = 'demo.Near', url = 'inproc://' }
      local _, err = only:run(print)
      assert.equal('BAD_REQUEST', err.code)
      assert.truthy(err.message:find('needs a connection', 1, true), err.message)
      handle.close()
      _, err = only:run()
      assert.equal('NO_SERVICE', err.code)
      assert.truthy(err.message:find('does not export demo.Near', 1, true))
    end)
  )

  it('is called so by other services, and calls others of its kind by the registry', function()
    local server = app.serve [[
      local near
      local function add(interface, hello)
        perilune.export { interface = interface, registry = 'memory://here', service = { hello = hello } }
      end
      add('demo.Far', function(_, name) return near:hello(name) end)
      add('demo.Near', function(ctx, name)
        return name == 'moon' and ctx.peer or near:hello 'moon'
      end)
      near = perilune.refer { interface = 'demo.Near', registry = 'memory://here' }
      local far = perilune.refer { interface = 'demo.Far', url = 'inproc://' }
      perilune.listen 'tcp://127.0.0.1:0'
      perilune.main(function()
        print('through', far:hello 'moon')
        print('itself', far:hello 'self')
      end)
    ]]
    server:wait_line 'itself'
    server:kill 'TERM'
    server:wait()
    assert.truthy(server.output:find('through\tinproc', 1, true), server.output)
    assert.truthy(server.output:find('itself\t127.0.0.1:', 1, true), server.output)
  end)
end)
