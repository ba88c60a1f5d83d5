-- SPDX-License-Identifier: MIT
-- Defects of JoyRPC that no other spec shows absent.
local inside = require('spec.support.vm').inside

describe('unlike in JoyRPC', function()
  it(
    'what a filter takes from the attachments is not sent, and is there again for the next call',
    inside(function()
      local taking = true
      local greeter = serve(
        {
          sent = function(ctx)
            return { a = ctx.call.attachments.a, b = ctx.call.attachments.b }
          end,
        },
        nil,
        {
          attachments = { a = 'from the refer' },
          filters = {
            function(ctx, call, next)
              if taking then
                call.attachments.a, call.attachments.b = nil, nil
              end
              return next(ctx, call)
            end,
          },
        }
      )
      local with = perilune.with(greeter, { attachments = { b = 'of this call' } })
      assert.same({}, with:sent())
      taking = false
      assert.same({ a = 'from the refer', b = 'of this call' }, with:sent())
      assert.same({ a = 'from the refer' }, greeter:sent())
    end)
  )

  it(
    'an option of a filter that an interface switches on is switched off by false',
    inside(function()
      local greeter = serve({
        f = function()
          return 'served'
        end,
      }, {
        mock = { result = 'mocked' },
        methods = { f = { mock = false } },
      })
      assert.equal('served', greeter:f())
    end)
  )
end)
