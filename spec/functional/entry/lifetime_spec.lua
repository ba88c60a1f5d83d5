-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('after its call', function()
  it(
    "a provider's ctx, call and body raise with the method's name",
    inside(function()
      local kept = {}
      local greeter, name = serve({
        keep = function(ctx, body)
          kept.ctx, kept.call, kept.body = ctx, ctx.call, body
          return 'kept'
        end,
      }, { body = true })
      greeter:keep 'secret'
      local uses = {
        ['ctx used after'] = function()
          return kept.ctx.peer
        end,
        ['call used after'] = function()
          return kept.call.method
        end,
        ['body used after'] = function()
          return kept.body:string()
        end,
      }
      uses['ctx used after '] = function()
        kept.ctx.trace = {}
      end
      uses['call used after '] = function()
        kept.call.args = {}
      end
      uses['body used after '] = function()
        return #kept.body
      end
      uses['body used after ' .. name] = function()
        return tostring(kept.body)
      end
      for text, use in pairs(uses) do
        local ok, message = pcall(use)
        assert.is_false(ok)
        assert.truthy(message:find(text, 1, true), message)
        assert.truthy(message:find(name .. '.keep ended', 1, true), message)
      end
      -- A handle can be shown without being used.
      assert.truthy(tostring(kept.ctx):find(name, 1, true))
    end)
  )

  it(
    'a handle never shows the call that took its place',
    inside(function()
      local kept = {}
      local greeter = serve({
        keep = function(ctx, body)
          kept[#kept + 1] = { ctx, ctx.call, body }
          return 'kept'
        end,
      }, { body = true })
      -- Slots are used again at once: each call sees the handles of all before it.
      for i = 1, 30 do
        greeter:keep('secret ' .. i)
        for _, handles in ipairs(kept) do
          assert.is_false((pcall(function()
            return handles[1].state
          end)))
          assert.is_false((pcall(function()
            return handles[2].attachments
          end)))
          assert.is_false((pcall(function()
            return handles[3]:string()
          end)))
        end
      end
    end)
  )

  it(
    'a handle used inside a later call does not show that one',
    inside(function()
      local kept
      local greeter = serve {
        first = function(ctx)
          kept = ctx
          ctx.state.owner = 'first'
        end,
        second = function(ctx)
          ctx.state.owner = 'second'
          local ok, message = pcall(function()
            return kept.state.owner
          end)
          return { ok = ok, message = tostring(message), own = ctx.state.owner }
        end,
      }
      greeter:first()
      local seen = greeter:second()
      assert.is_false(seen.ok)
      assert.truthy(seen.message:find('.first ended', 1, true))
      assert.equal('second', seen.own)
    end)
  )

  it(
    'a method taken from a body before does not work after',
    inside(function()
      local method, body
      local greeter = serve({
        keep = function(_, b)
          method, body = b.string, b
          return 'kept'
        end,
        other = function()
          local ok, result = pcall(method, body)
          return { ok = ok, result = result }
        end,
      }, nil, { serialization = 'msgpack' })
      perilune.export {
        interface = 'demo.Raw',
        body = true,
        service = {
          keep = function(_, b)
            method, body = b.string, b
          end,
        },
      }
      local raw = perilune.refer { interface = 'demo.Raw', url = core.test_url() }
      raw:keep 'mine'
      local seen = greeter:other 'of somebody else'
      assert.truthy(not seen.ok or seen.result == nil)
    end)
  )

  it(
    'a method taken from ctx before does not touch the call that took its place',
    inside(function()
      local on_end, old
      local greeter = serve {
        keep = function(ctx)
          on_end, old = ctx.on_end, ctx
        end,
        other = function(ctx)
          ctx.state.mine = true
          local ok = pcall(on_end, old, print)
          return { ok = ok, mine = ctx.state.mine }
        end,
      }
      greeter:keep()
      assert.same({ ok = false, mine = true }, (greeter:other()))
    end)
  )

  it(
    'a body handed back after its call fails the call that hands it back',
    inside(function()
      local kept
      local greeter = serve({
        keep = function(_, body)
          kept = body
          return 'kept'
        end,
        back = function()
          return kept
        end,
      }, { body = true })
      greeter:keep 'secret'
      local result, err = greeter:back()
      assert.is_nil(result)
      assert.equal('CALL_OVER', err.code)
    end)
  )

  it(
    "a consumer's ctx and call raise too",
    inside(function()
      local kept = {}
      local greeter, name = serve(
        {
          hello = function()
            return 'hello'
          end,
        },
        nil,
        {
          filters = {
            function(ctx, call, next)
              kept.ctx, kept.call = ctx, call
              return next(ctx, call)
            end,
          },
        }
      )
      greeter:hello()
      for _, use in ipairs {
        function()
          return kept.ctx.deadline
        end,
        function()
          return kept.ctx:left()
        end,
        function()
          return kept.call.args
        end,
        function()
          return kept.call.attachments
        end,
        function()
          kept.call.args = {}
        end,
      } do
        local ok, message = pcall(use)
        assert.is_false(ok)
        assert.truthy(message:find('used after ' .. name .. '.hello ended', 1, true), message)
      end
    end)
  )

  it(
    'of a fiber it spawned there is no ctx any more',
    inside(function()
      local seen, current = {}, nil
      local greeter = serve {
        hello = function()
          perilune.spawn(function()
            seen.during = perilune.context() ~= nil
            turns(5)
            current = perilune.context()
            seen.after = true
          end)
          perilune.sleep(0)
          return 'hello'
        end,
      }
      greeter:hello()
      eventually(function()
        return seen.after
      end)
      assert.is_true(seen.during)
      assert.is_nil(current)
    end)
  )
end)

describe('during its call', function()
  it(
    'ctx tells about the peer and the call',
    inside(function()
      local greeter, name = serve({
        look = function(ctx)
          return {
            side = ctx.side,
            is_local = ctx.is_local,
            peer = ctx.peer,
            session = ctx.session > 0,
            native = ctx.native,
            left = ctx:left() > 0 and ctx:left() <= 700,
            deadline = ctx.deadline > perilune.clock(),
            cancelled = ctx:cancelled() == nil,
            identity = ctx.identity == nil,
            trace = ctx.trace == nil,
            interface = ctx.call.interface,
            method = ctx.call.method,
            alias = ctx.call.alias,
            serialization = ctx.call.serialization,
            current = tostring(perilune.context()) == tostring(ctx),
          }
        end,
      }, { alias = 'prod' }, { timeout = 700 })
      local seen = assert.truthy((greeter:look())) and (greeter:look())
      assert.truthy(seen.peer:find('127.0.0.1', 1, true))
      seen.peer = nil
      assert.same({
        side = 'provider',
        is_local = true,
        session = true,
        native = true,
        left = true,
        deadline = true,
        cancelled = true,
        identity = true,
        trace = true,
        interface = name,
        method = 'look',
        alias = 'prod',
        serialization = 'msgpack',
        current = true,
      }, seen)
    end)
  )

  it(
    'a field that is not there is named, and one near it suggested',
    inside(function()
      local greeter = serve {
        read = function(ctx)
          return ctx.per
        end,
        write = function(ctx)
          ctx.user = 'eve'
        end,
        call = function(ctx)
          return ctx.call.metod
        end,
      }
      greeter:read()
      greeter:write()
      greeter:call()
      local lines = logged 'SCRIPT-ERROR'
      assert.truthy(lines[1].text:find("ctx has no field 'per'; did you mean 'peer'?", 1, true))
      assert.truthy(lines[2].text:find('put data of your own into ctx.state', 1, true))
      assert.truthy(lines[3].text:find("did you mean 'method'?", 1, true))
    end)
  )

  it(
    'on_end runs however the call ends, and its errors are its own',
    inside(function()
      local ends = {}
      local greeter = serve {
        good = function(ctx)
          ctx:on_end(function()
            ends[#ends + 1] = 'good'
          end)
          return 1
        end,
        bad = function(ctx)
          ctx:on_end(function()
            ends[#ends + 1] = 'bad'
          end)
          error 'x'
        end,
        worse = function(ctx)
          ctx:on_end(function()
            error 'in on_end'
          end)
          ctx:on_end(function()
            ends[#ends + 1] = 'worse'
          end)
          return 'fine'
        end,
      }
      greeter:good()
      greeter:bad()
      assert.equal('fine', (greeter:worse()))
      assert.same({ 'good', 'bad', 'worse' }, ends)
      assert.equal(1, #logged 'ON-END')
    end)
  )

  it(
    'attachments travel both ways',
    inside(function()
      local got
      local greeter = serve(
        {
          swap = function(ctx)
            ctx.reply.answer = 'to ' .. ctx.call.attachments.question
            return 'done'
          end,
          fail = function(ctx)
            ctx.reply.answer = 'no'
            return nil, perilune.error('NOT_FOUND', 'nothing')
          end,
          silent = function()
            return 'done'
          end,
        },
        nil,
        {
          filters = {
            function(ctx, call, next)
              local result, err = next(ctx, call)
              got = ctx.reply
              return result, err
            end,
          },
        }
      )
      local asking = perilune.with(greeter, { attachments = { question = 'why' } })
      assert.equal('done', (asking:swap()))
      assert.equal('to why', got.answer)
      local _, failed = greeter:fail()
      assert.equal('NOT_FOUND', failed.code)
      assert.same({ answer = 'no' }, got)
      assert.equal('done', (greeter:silent()))
      assert.is_nil(got)
      -- One call's attachments are not the next one's.
      local _, err = greeter:swap()
      assert.equal('INTERNAL', err.code)
    end)
  )
end)
