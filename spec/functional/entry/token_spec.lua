-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('filter token', function()
  it(
    'lets those call who know it, and names nobody else',
    inside(function()
      local service = {
        who = function(ctx)
          return { identity = ctx.identity, hidden = ctx.call.attachments['.token'] == nil }
        end,
      }
      local known, name = serve(service, { token = 'sesame' }, { token = 'sesame' })
      assert.same({ identity = 'token', hidden = true }, (known:who()))
      for _, token in ipairs { 'sesam', 'sesame!', 'SESAME', 'x' } do
        local stranger = perilune.refer { interface = name, url = core.test_url(), token = token }
        local _, err = stranger:who()
        assert.equal('UNAUTHENTICATED', err.code)
      end
      local _, err = perilune.refer({ interface = name, url = core.test_url() }):who()
      assert.equal('UNAUTHENTICATED', err.code)
      local odd = perilune.with(
        perilune.refer { interface = name, url = core.test_url() },
        { attachments = { ['.token'] = { 'sesame' } } }
      )
      _, err = odd:who()
      assert.equal('UNAUTHENTICATED', err.code)
    end)
  )

  it(
    'tells apart the holders of several',
    inside(function()
      local service = {
        who = function(ctx)
          return ctx.identity
        end,
      }
      local shop = serve(service, { token = { shop = 's1', billing = 'b1' } }, { token = 's1' })
      assert.equal('shop', (shop:who()))
      local billing = serve(service, { token = { shop = 's1', billing = 'b1' } }, { token = 'b1' })
      assert.equal('billing', (billing:who()))
    end)
  )

  it(
    'is satisfied by a session that authenticated',
    inside(function()
      local service = {
        who = function(ctx)
          return {
            identity = ctx.identity,
            authenticated = ctx.authenticated,
            carried = ctx.call.attachments['.token'],
          }
        end,
      }
      local proxy, name = serve(
        service,
        { token = { shop = 's1' } },
        { auth = { 'token', token = 's1' } }
      )
      assert.same({ identity = 'shop', authenticated = true }, (proxy:who()))
      local wrong =
        perilune.refer { interface = name, url = core.test_url(), auth = { 'token', token = 's2' } }
      local _, err = wrong:who()
      assert.equal('UNAUTHENTICATED', err.code)
      assert.truthy(err.message:find('the token is not known here', 1, true))
      local other = perilune.refer {
        interface = name,
        url = core.test_url(),
        auth = { 'kerberos', ticket = 's2' },
      }
      _, err = other:who()
      assert.equal('UNAUTHENTICATED', err.code)
    end)
  )

  it(
    'is not satisfied by a session that nobody checked',
    inside(function()
      -- The filter is there, but not the option that makes sessions authenticate.
      local proxy = serve({
        who = function()
          return 'in'
        end,
      }, { filters = { { 'token', token = 's1' } } }, { auth = { 'token', token = 'guess' } })
      local result, err = proxy:who()
      assert.is_nil(result)
      assert.equal('UNAUTHENTICATED', err.code)
    end)
  )

  it(
    'refuses settings that let anybody in',
    inside(function()
      for _, token in ipairs { '', {}, { '' }, { a = 1 }, 5 } do
        assert.is_false((pcall(serve, { f = print }, { token = token })))
      end
    end)
  )

  it(
    'compares all of it',
    inside(function()
      local equal = require('perilune.entry.token').equal
      assert.is_true(equal('abc', 'abc'))
      for _, other in ipairs { '', 'a', 'abd', 'abcd', 'abcabc', 'xbc', 'ab\0' } do
        assert.is_false(equal(other, 'abc'))
      end
    end)
  )
end)

describe('a custom authenticator', function()
  it(
    'may wait, and gives the identity',
    inside(function()
      perilune.authenticator('friends', function(request)
        perilune.sleep(1)
        if request.attributes.name == 'eve' then
          error 'a bug'
        end
        return request.attributes.name ~= 'mallory' and request.attributes.name or nil, 'go away'
      end)
      local service = {
        who = function(ctx)
          return ctx.identity
        end,
      }
      local alice = serve(service, { auth = 'friends' }, { auth = { 'friends', name = 'alice' } })
      assert.equal('alice', (alice:who()))
      local mallory = serve(
        service,
        { auth = 'friends' },
        { auth = { 'friends', name = 'mallory' } }
      )
      local _, err = mallory:who()
      assert.equal('UNAUTHENTICATED', err.code)
      assert.truthy(err.message:find('go away', 1, true))
      local eve = serve(service, { auth = 'friends' }, { auth = { 'friends', name = 'eve' } })
      _, err = eve:who()
      assert.equal('UNAUTHENTICATED', err.code)
      assert.equal(1, #logged 'AUTHENTICATE')
    end)
  )
end)
