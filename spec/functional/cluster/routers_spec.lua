-- SPDX-License-Identifier: MIT
-- Routers over a real wire: two addresses that lead to one server.
local vm = require 'spec.support.vm'

describe('router', function()
  it(
    'forking cancels the loser, and its handler hears of it',
    vm.inside(function()
      package.preload['perilune.cluster.cluster'] = nil
      local calls, heard = 0, nil
      local url = core.test_url()
      local greeter = serve({
        hello = function(ctx)
          calls = calls + 1
          if calls == 1 then
            pcall(perilune.sleep, 60000)
            heard = ctx:cancelled()
          end
          return 'quick'
        end,
      }, nil, { url = { url, (url:gsub('127%.0%.0%.1', 'localhost')) }, router = 'forking' })
      perilune.check(perilune.ready(greeter, 5000, 2))
      assert.equal('quick', perilune.check(greeter:hello()))
      eventually(function()
        return heard
      end, 'the loser is cancelled')
      assert.equal('CANCELLED', heard)
      assert.equal(2, calls)
    end)
  )

  it(
    'broadcast reaches all, each attempt with attachments of its own',
    vm.inside(function()
      package.preload['perilune.cluster.cluster'] = nil
      local seen = {}
      local url = core.test_url()
      local greeter = serve(
        {
          hello = function(ctx)
            seen[#seen + 1] = ctx.call.attachments.to
            return 'done'
          end,
        },
        nil,
        {
          url = { url, (url:gsub('127%.0%.0%.1', 'localhost')) },
          router = 'broadcast',
          attachments = { from = 'spec' },
          attempt_filters = {
            function(ctx, call, next)
              call.attachments.to = ctx.node.address
              perilune.sleep(1)
              return next(ctx, call)
            end,
          },
        }
      )
      perilune.check(perilune.ready(greeter, 5000, 2))
      local list = perilune.check(greeter:hello())
      assert.equal(2, #list)
      assert.equal('done', list[1].result)
      assert.equal('done', list[2].result)
      assert.is_not.equal(seen[1], seen[2])
    end)
  )

  it(
    'failover tells an attempt that a filter refused from one that may have run',
    vm.inside(function()
      package.preload['perilune.cluster.cluster'] = nil
      local asked, refusing = 0, true
      local greeter = serve(
        {
          hello = function()
            return nil, perilune.error('UNAVAILABLE')
          end,
        },
        nil,
        {
          retries = 2,
          retry_on = 'not_run',
          attempt_filters = {
            function(ctx, call, next)
              asked = asked + 1
              if refusing then
                return nil, perilune.error('UNAVAILABLE', 'not now')
              end
              return next(ctx, call)
            end,
          },
        }
      )
      perilune.check(perilune.ready(greeter, 5000))
      local _, err = greeter:hello()
      assert.same({ 'NOT_SENT', 3, 3 }, { err.outcome, asked, #err.attempts })
      refusing = false
      _, err = greeter:hello()
      assert.same({ 'UNKNOWN', 4, 1 }, { err.outcome, asked, #err.attempts })
    end)
  )
end)
