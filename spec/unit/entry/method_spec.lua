-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('entry/method', function()
  it(
    'tells filters that only go before from those that see the result',
    inside(function()
      local bytecode = require 'perilune.entry.bytecode'
      local kept
      local before = {
        function(ctx, call, next)
          return next(ctx, call)
        end,
        function(ctx, call, next)
          if not call.args then
            return nil, 'no'
          end
          call.attachments.a = tostring(ctx)
          return next(ctx, call)
        end,
        function(ctx, call, next)
          return next(ctx or call, call and tostring(call) or call)
        end,
        function(_, call)
          return call
        end,
        function(ctx, call, next, more)
          if more then
            return next(ctx, call)
          end
          return next(call, ctx)
        end,
        function(ctx, call, next)
          local other = next
          return other(ctx, call)
        end,
      }
      for i = 1, #before - 1 do
        assert.is_true(bytecode.goes_before(before[i]), 'filter ' .. i)
      end
      local after = {
        before[#before], -- not looked into so far
        function(ctx, call, next)
          local result, err = next(ctx, call)
          return result, err
        end,
        function(ctx, call, next)
          return (next(ctx, call))
        end,
        function(ctx, call, next)
          return next(ctx, call), nil
        end,
        function(ctx, call, next)
          return pcall(next, ctx, call)
        end,
        function(ctx, call, next)
          kept = next
          return next(ctx, call)
        end,
        function(ctx, call, next)
          ctx.next = next
          return next(ctx, call)
        end,
        function(ctx, call, next)
          return { next(ctx, call) }
        end,
        function(ctx, call, next)
          return next(next, ctx, call)
        end,
        function(_, _, next)
          return next
        end,
        function(ctx, call, next)
          return ctx, call, next
        end,
        function(ctx, call, next)
          next(ctx, call)
          return next(ctx, call)
        end,
        function(ctx, call, next)
          return 'x' .. next(ctx, call)
        end,
        function(ctx, call, next)
          return next and next(ctx, call)
        end,
        function(ctx, call, next)
          local list = { next }
          return list[1](ctx, call)
        end,
        function(ctx, call, next)
          return (function()
            return next(ctx, call)
          end)()
        end,
        function(...)
          return select(3, ...)(...)
        end,
        pcall,
      }
      for i, filter in ipairs(after) do
        assert.is_false(bytecode.goes_before(filter), 'filter ' .. i)
      end
      assert.is_nil(kept)
    end)
  )

  it(
    'shows filters the arguments, and sends what they make of them',
    inside(function()
      local seen = {}
      local function look(_, call, next)
        seen = call.args
        return next(_, call)
      end
      local function replace(ctx, call, next)
        call.args = { 'other', n = 1 }
        return next(ctx, call)
      end
      local service = {
        echo = function(_, ...)
          return { n = select('#', ...), ... }
        end,
      }
      for _, after in ipairs { false, true } do
        local filters = { look }
        if after then
          filters[2] = function(ctx, call, next)
            local result, err = next(ctx, call)
            return result, err
          end
        end
        local echo = serve(service, nil, { filters = filters })
        assert.same({ n = 0 }, echo:echo())
        assert.same({}, seen)
        assert.same({ n = 2, 'a', 'b' }, echo:echo('a', 'b'))
        assert.same({ 'a', 'b' }, seen)
        assert.equal(2, echo:echo('a', nil).n)
        assert.same({ 'a', n = 2 }, seen)
        assert.same({ n = 8, 1, 2, 3, 4, 5, 6, 7, 8 }, echo:echo(1, 2, 3, 4, 5, 6, 7, 8))
        assert.same({ n = 9, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, echo:echo(1, 2, 3, 4, 5, 6, 7, 8, 9))
        assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9 }, seen)
        local other = serve(service, nil, { filters = { replace, unpack(filters) } })
        assert.same({ n = 1, 'other' }, other:echo('a', 'b'))
      end
    end)
  )

  it(
    'keeps apart what the handles of calls in flight hold',
    inside(function()
      local ended, left = {}, 0
      local greeter = serve(
        {
          slow = function(_, n)
            turns(n % 3)
            return perilune.context().call.attachments.n * 1000 + n
          end,
        },
        nil,
        {
          filters = {
            function(ctx, call, next)
              local n = call.args[1]
              call.attachments.n = n
              ctx.mine = n
              ctx:on_end(function()
                ended[n] = ctx.mine == n and call.args[1] == n and ctx.call.attachments.n == n
              end)
              return next(ctx, call)
            end,
          },
        }
      )
      for n = 1, 50 do
        left = left + 1
        perilune.spawn(function()
          assert.equal(n * 1001, greeter:slow(n))
          left = left - 1
        end)
      end
      eventually(function()
        return left == 0
      end)
      for n = 1, 50 do
        assert.is_true(ended[n], n)
      end
      assert.same({ false }, { require('perilune.entry.outgoing').extras[1] })
    end)
  )

  it(
    'lets filters give a call another deadline',
    inside(function()
      local left, set
      local greeter = serve(
        {
          left = function(ctx)
            return ctx:left()
          end,
        },
        nil,
        {
          timeout = 5000,
          filters = {
            function(ctx, call, next)
              set(ctx, call)
              left = ctx:left()
              return next(ctx, call)
            end,
          },
        }
      )
      for _, each in ipairs {
        function(_, call)
          call.timeout = 70
        end,
        function(ctx)
          ctx.deadline = ctx.began + 70
        end,
      } do
        set = each
        local there = perilune.check(greeter:left())
        assert.is_true(left > 0 and left <= 70, left)
        assert.is_true(there > 0 and there <= 70, there)
      end
    end)
  )

  it(
    'gives errors of filters, before the wait and after, to the caller',
    inside(function()
      local state = require 'perilune.entry.outgoing'
      local where
      local greeter = serve(
        {
          hello = function()
            return 'hello'
          end,
        },
        nil,
        {
          filters = {
            function(ctx, call, next)
              if where == 'before' then
                error 'broken'
              end
              return next(ctx, call)
            end,
          },
        }
      )
      assert.equal('hello', greeter:hello())
      local slots = #state.gens
      for _ = 1, 5 do
        where = 'before'
        local result, err = greeter:hello()
        assert.is_nil(result)
        assert.equal('INTERNAL', err.code)
        where = nil
        assert.equal('hello', greeter:hello())
      end
      assert.equal(slots, #state.gens)
    end)
  )

  it(
    'keeps nothing of proxies that nobody holds',
    inside(function()
      require('jit').off() -- what is compiled is kept for long
      local greeter = perilune.refer {
        interface = 'demo.Greeter',
        url = 'joyrpc://127.0.0.1:1',
        check = false,
        filters = {
          function(_, call)
            return call.attachments.nth
          end,
        },
      }
      local first
      -- KB in use after that many proxies of one call each.
      local function after(count)
        for i = 1, count do
          local proxy = perilune.with(greeter, { attachments = { nth = i } })
          assert.equal(i, proxy:hello())
          first = first or proxy
        end
        collectgarbage()
        collectgarbage()
        return collectgarbage 'count'
      end
      after(100)
      local before = after(100)
      local more = after(500) - before
      assert.is_true(more < 100, more .. ' KB more')
      assert.equal(1, first:hello())
    end)
  )
end)
