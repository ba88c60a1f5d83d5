-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('filter method_list', function()
  it(
    'lets methods pass by pattern; denied is denied',
    inside(function()
      local function f()
        return 1
      end
      local service = { getA = f, getSecret = f, put = f, ['get.x'] = f }
      local proxy = serve(service, { method_list = { allow = { 'get*' }, deny = { '*Secret' } } })
      assert.equal(1, (proxy:getA()))
      for _, method in ipairs { 'getSecret', 'put' } do
        local _, err = perilune.call(proxy, method)
        assert.equal('FORBIDDEN', err.code)
      end
      local dots = serve(service, { method_list = { 'get.x' } })
      assert.equal(1, (perilune.call(dots, 'get.x')))
      assert.is_nil((perilune.call(dots, 'getA')))
      local consumer = serve(service, nil, { method_list = { deny = { 'put' } } })
      local _, err = consumer:put()
      assert.equal('FORBIDDEN', err.code)
    end)
  )

  it(
    'refuses lists that say nothing',
    inside(function()
      for _, list in ipairs { true, {}, { allow = {} }, { allow = { 5 } }, { deny = { '' } } } do
        assert.is_false((pcall(serve, { f = print }, { method_list = list })))
      end
    end)
  )
end)

describe('filter ip', function()
  it(
    'knows addresses, networks, ranges, and IPv4 inside IPv6',
    inside(function()
      local address = require 'perilune.address'
      local function fits(pattern, text)
        return assert(address.matcher { pattern })(assert(address.parse(text), text))
      end
      for pattern, text in pairs {
        ['10.0.0.7'] = '10.0.0.7',
        ['10.0.0.0/8'] = '10.255.255.255',
        ['10.0.0.1-10.0.0.9'] = '10.0.0.9',
        ['0.0.0.0/0'] = '255.1.2.3',
        ['192.168.1.128/25'] = '192.168.1.200',
        ['10.0.0.0/9'] = '::ffff:10.127.0.1',
        ['::ffff:10.0.0.0/104'] = '10.9.9.9',
        ['2001:db8::/32'] = '2001:0DB8:0:0:1::2',
        ['fe80::/10'] = 'fe80::1%eth0',
        ['::1'] = '0:0:0:0:0:0:0:1',
        ['::/0'] = 'abcd::',
        ['2001:db8::1-2001:db8::ff'] = '2001:db8::80',
        ['*'] = '1.2.3.4',
      } do
        assert.is_true(fits(pattern, text), pattern)
      end
      for pattern, text in pairs {
        ['10.0.0.7'] = '10.0.0.8',
        ['10.0.0.0/8'] = '11.0.0.0',
        ['10.0.0.1-10.0.0.9'] = '10.0.0.10',
        ['192.168.1.128/25'] = '192.168.1.127',
        ['10.0.0.0/9'] = '::ffff:10.128.0.1',
        ['2001:db8::/32'] = '2001:db9::',
        ['0.0.0.0/0'] = '::1',
        ['::/0'] = '10.0.0.1',
        ['fe80::/10'] = 'fec0::1',
      } do
        assert.is_false(fits(pattern, text), pattern)
      end
    end)
  )

  it(
    'refuses malformed patterns instead of fitting everything',
    inside(function()
      local address = require 'perilune.address'
      for _, pattern in ipairs {
        '',
        ' ',
        '10.0.0',
        '10.0.0.256',
        '10.0.0.0/33',
        '10.0.0.0/x',
        '10.0.0.9-10.0.0.1',
        '10.0.0.1-::1',
        '10.*',
        '1.2.3.4;5.6.7.8',
        ':::1',
        '1::2::3',
        '1:2:3:4:5:6:7:8:9',
        '1:2:3:4:5:6:7',
        '12345::',
        '::/129',
        'localhost',
        5,
        {},
      } do
        assert.is_nil((address.matcher { pattern }), tostring(pattern))
      end
      for _, list in ipairs { true, {}, { allow = {} }, { 'lan' }, { deny = { '10.0.0.0/99' } } } do
        local ok, message = pcall(serve, { f = print }, { ip = list })
        assert.is_false(ok)
        assert.truthy(message:find("filter 'ip'", 1, true))
      end
    end)
  )

  it(
    'judges by the address a call comes from',
    inside(function()
      local function call(list)
        return serve({
          f = function()
            return 1
          end,
        }, { ip = list }):f()
      end
      assert.equal(1, (call { '10.0.0.0/8' }))
      local _, err = call { allow = { '10.0.0.0/8' }, loopback = false }
      assert.equal('FORBIDDEN', err.code)
      assert.truthy(err.message:find('127.0.0.1', 1, true))
      assert.equal(1, (call { allow = { '127.0.0.0/8', '::1' }, loopback = false }))
      _, err = call { deny = { '127.0.0.1' }, loopback = false }
      assert.equal('FORBIDDEN', err.code)
    end)
  )
end)

describe('filter authorization', function()
  it(
    'lets the first rule that fits decide, and denies the rest',
    inside(function()
      local function f()
        return 1
      end
      local service = { getA = f, put = f, drop = f }
      local _, name = serve(service, {
        token = { shop = 'token of the shop', admin = 'token of the admin', eve = 'token of eve' },
        authorization = {
          { identity = 'eve', allow = false },
          { identity = 'admin' },
          { identity = { 'shop*' }, method = { 'get*', 'put' }, interface = 'demo.*' },
        },
      })
      local function call(token, method)
        local proxy = perilune.refer { interface = name, url = core.test_url(), token = token }
        local result, err = perilune.call(proxy, method)
        return result or err.code
      end
      assert.equal(1, call('token of the shop', 'getA'))
      assert.equal('FORBIDDEN', call('token of the shop', 'drop'))
      assert.equal(1, call('token of the admin', 'drop'))
      assert.equal('FORBIDDEN', call('token of eve', 'getA'))
      assert.equal('UNAUTHENTICATED', call('nobody', 'getA'))
      assert.equal(2, counted.perilune_unauthorized)
    end)
  )

  it(
    'asks who calls when nobody proved it, and may allow by default',
    inside(function()
      local service = {
        f = function()
          return 1
        end,
      }
      local proxy = serve(service, { authorization = { { identity = '*' } } })
      local _, err = proxy:f()
      assert.equal('UNAUTHENTICATED', err.code)
      proxy = serve(service, {
        authorization = { default = 'allow', rules = { { method = 'g', allow = false } } },
      })
      assert.equal(1, (proxy:f()))
      -- What a caller only says of itself proves nothing.
      proxy = serve(service, { authorization = { { identity = 'admin' } } })
      _, err = perilune.with(proxy, { attachments = { app = 'admin', identity = 'admin' } }):f()
      assert.equal('UNAUTHENTICATED', err.code)
    end)
  )

  it(
    'asks an authorizer of its own',
    inside(function()
      perilune.authorizer('polite', function(_, call, identity)
        perilune.sleep(0)
        return call.attachments.please == true and identity == 'shop', 'say please'
      end)
      local proxy = serve({
        f = function()
          return 1
        end,
      }, { token = { shop = 's3cret' }, authorization = 'polite' }, { token = 's3cret' })
      local _, err = proxy:f()
      assert.equal('FORBIDDEN', err.code)
      assert.truthy(err.message:find('say please', 1, true))
      assert.equal(1, (perilune.with(proxy, { attachments = { please = true } }):f()))
    end)
  )

  it(
    'refuses rules that are wrong',
    inside(function()
      for part, conf in pairs {
        ["rules[1]: unknown 'who'"] = { { who = 'x' } },
        ['rules[2].method: a pattern'] = { {}, { method = 5 } },
        ['allow must be true or false'] = { { allow = 'no' } },
        ["authorizer 'rule' unknown; did you mean 'rules'?"] = 'rule',
        ['says nothing'] = true,
        ['default must be one of'] = { rules = {}, default = 'maybe' },
      } do
        local ok, message = pcall(serve, { f = print }, { authorization = conf })
        assert.is_false(ok)
        assert.truthy(message:find(part, 1, true), message)
      end
    end)
  )
end)
