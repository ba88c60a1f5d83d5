-- SPDX-License-Identifier: MIT
local app = require 'spec.support.app'
local inside = require('spec.support.vm').inside

describe('filter signature', function()
  it(
    'lets pass what a known key signed, once',
    inside(function()
      local secret = 'a secret of the shop'
      local sent
      local proxy, name = serve({
        who = function(ctx, order)
          return { who = ctx.identity, hidden = ctx.call.attachments['.signature'] == nil, order }
        end,
      }, { signature = { keys = { shop = secret } } }, {
        signature = { key = 'shop', secret = secret },
        attempt_filters = {
          function(ctx, call, next)
            sent = call.attachments['.signature']
            return next(ctx, call)
          end,
        },
      })
      local result = proxy:who { id = 1, name = perilune.null, list = { 1, 2.5, 'x' } }
      assert.equal('shop', result.who)
      assert.is_true(result.hidden)
      assert.truthy(sent:match '^shop:%d+:%x+:%x+$')

      local bare = perilune.refer { interface = name, url = core.test_url() }
      local function refused(text, ...)
        local with = perilune.with(bare, { attachments = { ['.signature'] = text } })
        local _, err = with:who(...)
        assert.equal('UNAUTHENTICATED', err.code)
        return err.message
      end
      local order = { id = 1, list = { 1, 2.5, 'x' } }
      assert.equal('the signature was used before', refused(sent, order))
      assert.equal('the signature is wrong', refused(sent, { id = 2 }))
      local key, time, nonce, mac = sent:match '^(.-):(.-):(.-):(.-)$'
      local function text(...)
        return table.concat({ ... }, ':')
      end
      assert.equal('the signature is wrong', refused(text('bank', time, nonce, mac), order))
      assert.equal('the signature is wrong', refused(text(key, time - 1, nonce, mac), order))
      assert.equal('the signature is wrong', refused(text(key, time, nonce .. '0', mac), order))
      assert.equal('the signature is wrong', refused(text(key, time, nonce, mac:sub(2)), order))
      assert.truthy(refused(text(key, time - 40000, nonce, mac), order):find('check the clocks'))
      assert.truthy(refused(text(key, time + 40000, nonce, mac), order):find('check the clocks'))
      for _, odd in ipairs { '', 'x', ':::', {}, 5, ('x'):rep(5000), text(key, time, 'ab', mac) } do
        refused(odd, order)
      end
      local _, err = bare:who()
      assert.equal('the call is not signed', err.message)
      local liar = perilune.refer {
        interface = name,
        url = core.test_url(),
        signature = { key = 'shop', secret = 'a wrong secret of the shop' },
      }
      _, err = liar:who()
      assert.equal('the signature is wrong', err.message)
      assert.truthy(counted.perilune_unsigned >= 10)
    end)
  )

  it(
    'signs no arguments that it could not tell from others, and takes none',
    inside(function()
      local signature = { keys = { a = 'sixteen bytes or more' } }
      local proxy, name = serve({
        take = function()
          return 'taken'
        end,
      }, { signature = signature }, {
        signature = { key = 'a', secret = signature.keys.a },
      })
      local deep = {}
      for _ = 1, 40 do
        deep = { deep }
      end
      local _, err = proxy:take(deep)
      assert.equal('BAD_REQUEST', err.code)
      assert.truthy(err.message:find('to be signed', 1, true), err.message)
      assert.equal('taken', (proxy:take 'small'))
      local sign = require('perilune.entry.signature').sign
      local what = table.concat({ 'call', name, '', 'take', 'too large' }, '\n')
      local forged = { ['.signature'] = sign('a', signature.keys.a, what) }
      local bare = perilune.refer { interface = name, url = core.test_url(), attachments = forged }
      _, err = bare:take(deep)
      assert.equal('BAD_REQUEST', err.code)
    end)
  )

  it(
    'signs arguments by value: fewer, more, nil, raw bytes',
    inside(function()
      local secret = 'sixteen bytes or more'
      local signature = { keys = { a = secret } }
      local service = {
        two = function(_, a, b)
          return { a, b }
        end,
        raw = function(_, body)
          return body
        end,
      }
      local proxy, name = serve(
        service,
        { signature = signature, methods = { raw = { body = true } } },
        { signature = { key = 'a', secret = secret } }
      )
      assert.same({ 1 }, (proxy:two(1)))
      assert.same({ 1, 2 }, (proxy:two(1, 2)))
      assert.same({ 1, 2 }, (proxy:two(1, 2, 3, { 4 })))
      assert.same({}, (proxy:two(nil, nil)))
      local raw = perilune.refer {
        interface = name,
        url = core.test_url(),
        serialization = 'raw',
        signature = { key = 'a', secret = secret },
      }
      assert.equal('bytes\0', (raw:raw 'bytes\0'))
    end)
  )

  it(
    'is satisfied by a session that signed',
    inside(function()
      local secret = 'sixteen bytes or more'
      local service = {
        who = function(ctx)
          return ctx.identity
        end,
      }
      local proxy, name = serve(
        service,
        { auth = { 'signature', keys = { shop = secret } } },
        { auth = { 'signature', key = 'shop', secret = secret } }
      )
      assert.equal('shop', (proxy:who()))
      local wrong = perilune.refer {
        interface = name,
        url = core.test_url(),
        auth = { 'signature', key = 'shop', secret = 'another one of sixteen' },
      }
      local _, err = wrong:who()
      assert.equal('UNAUTHENTICATED', err.code)
      assert.truthy(err.message:find('the signature is wrong', 1, true))
      assert.is_nil(err.message:find('another', 1, true))
    end)
  )

  it(
    'refuses keys that are none',
    inside(function()
      for part, conf in pairs {
        ['keys must be a table'] = {},
        ["secret of 'a' must have at least 16 bytes"] = { keys = { a = 'short' } },
        ["keys: 'a:b' must be letters"] = { keys = { ['a:b'] = 'a secret of the shop' } },
      } do
        local ok, message = pcall(serve, { f = print }, { signature = conf })
        assert.is_false(ok)
        assert.truthy(message:find(part, 1, true), message)
      end
      for part, conf in pairs {
        ['a key and its secret'] = {},
        ['must be letters'] = { key = 'a b', secret = 'a secret of the shop' },
      } do
        local refer = { interface = 'demo.X', url = core.test_url(), signature = conf }
        local ok, message = pcall(perilune.refer, refer)
        assert.is_false(ok)
        assert.truthy(message:find(part, 1, true), message)
      end
      local refer =
        { interface = 'demo.X', url = core.test_url(), auth = { 'signature', key = 'x' } }
      local ok, message = pcall(perilune.refer, refer)
      assert.is_false(ok)
      assert.truthy(message:find('secret of at least 16 bytes', 1, true), message)
    end)
  )

  it(
    'counts on a digest that is right',
    inside(function()
      local crypto = perilune.crypto
      assert.equal(
        'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
        crypto.sha256 'abc'
      )
      -- RFC 4231, test case 2
      assert.equal(
        '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
        crypto.hmac_sha256('Jefe', 'what do ya want for nothing?')
      )
      assert.is_true(crypto.same('abc', 'abc'))
      assert.is_true(crypto.same('', ''))
      assert.is_false(crypto.same('abc', 'abd'))
      assert.is_false(crypto.same('abc', 'abcd'))
    end)
  )
end)

describe('signatures of several attempts', function()
  local PROVIDER = [[
  local shop = { shop = 'sixteen bytes or more' }
  local function who(ctx) return ctx.call.alias .. ' ' .. tostring(ctx.identity) end
  for _, alias in ipairs { 'eu', 'us' } do
    perilune.export { interface = 'demo.Calls', alias = alias, signature = { keys = shop },
      service = { who = who } }
    perilune.export { interface = 'demo.Sessions', alias = alias, auth = { 'signature', keys = shop },
      service = { who = who } }
  end
  perilune.listen 'tcp://127.0.0.1:0'
  perilune.listen 'tcp://127.0.0.1:0'
  ]]
  local CONSUMER = [[
  local urls = { '%s', '%s' }
  local sign = { key = 'shop', secret = 'sixteen bytes or more' }
  local auth = { 'signature', key = sign.key, secret = sign.secret }
  perilune.main(function()
    local all = perilune.refer { interface = 'demo.Calls', alias = 'eu', url = urls, signature = sign,
      router = 'broadcast' }
    perilune.ready(all, 5000, 2)
    for _, answer in ipairs(perilune.check(all:who())) do
      print('each', answer.result, answer.err)
    end
    local forked = perilune.refer { interface = 'demo.Calls', alias = 'eu', url = urls,
      signature = sign, router = { 'forking', forks = 2 } }
    print('one of two', forked:who())
    local group = { 'by_argument' }
    local calls = perilune.refer { interface = 'demo.Calls', url = urls, aliases = { 'eu', 'us' },
      group = group, signature = sign }
    print('calls of a group', perilune.check(calls:who 'eu'), perilune.check(calls:who 'us'))
    local sessions = perilune.refer { interface = 'demo.Sessions', url = urls, auth = auth,
      aliases = { 'eu', 'us' }, group = group }
    print('its sessions', perilune.check(sessions:who 'eu'), perilune.check(sessions:who 'us'))
  end)
  ]]
  teardown(app.stop_all)

  it('are made anew for each node, and name the alias of a group', function()
    local server = app.serve(PROVIDER, { args = { '--workers', '2' } })
    local urls = {}
    for i, url in ipairs(server.urls) do
      urls[i] = url:gsub('^tcp', 'joyrpc')
    end
    local consumer = app.start(CONSUMER:format(urls[1], urls[2]))
    assert.equal(0, consumer:wait().code, consumer.output)
    local function told(text)
      assert.truthy(consumer.output:find(text, 1, true), consumer.output)
    end
    told 'each\teu shop\tnil\neach\teu shop\tnil\n'
    told 'one of two\teu shop\n'
    told 'calls of a group\teu shop\tus shop\n'
    told 'its sessions\teu shop\tus shop\n'
  end)
end)
