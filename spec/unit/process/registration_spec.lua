-- SPDX-License-Identifier: MIT
-- What a reload changes on the lists of registries.
local inside = require('spec.support.vm').inside

describe('process.registration', function()
  it(
    'keeps what stays, lists the new before it takes off the old, and takes off first what is gone',
    inside(function()
      local registration = require 'perilune.process.registration'
      local function export(interface, more)
        local spec = { interface = interface, alias = '', weight = 100, meta = {}, delay = 0 }
        spec.registry, spec.register = 'memory://x', true
        for key, value in pairs(more or {}) do
          spec[key] = value
        end
        return spec
      end
      local bound = { 'tcp://127.0.0.1:1' }
      local none = registration.compare({}, { export 'a.Stays', export 'a.Moves' }, bound)
      assert.same({ 0, 2, 0, 0 }, { #none.keep, #none.fresh, #none.first, #none.last })
      table.insert(none.fresh, registration.compare({}, { export 'a.Goes' }, bound).fresh[1])

      local after = { export 'a.Stays', export('a.Moves', { weight = 7 }), export 'a.New' }
      local changes = registration.compare(none.fresh, after, bound)
      local function urls(list)
        local found = {}
        for i, one in ipairs(list) do
          found[i] = one.url:match '/(a%.%w+)' .. (one.url:match 'weight=%d+' or '')
        end
        table.sort(found)
        return found
      end
      assert.same({ 'a.Staysweight=100' }, urls(changes.keep))
      assert.equal(none.fresh[1], changes.keep[1])
      assert.same({ 'a.Movesweight=7', 'a.Newweight=100' }, urls(changes.fresh))
      assert.same({ 'a.Movesweight=100' }, urls(changes.last))
      assert.same({ 'a.Goesweight=100' }, urls(changes.first))

      local moved = registration.compare(none.fresh, { export 'a.Stays' }, { 'tcp://127.0.0.1:2' })
      assert.same({ 'a.Staysweight=100' }, urls(moved.fresh))
      assert.same({ 'a.Staysweight=100' }, urls(moved.last))
    end)
  )

  it(
    'takes off what was to go while the registry was putting it on its list',
    inside(function()
      local registration = require 'perilune.process.registration'
      local said, listed, role = {}, nil, core.role
      rawset(core, 'role', 'control')
      perilune.registry {
        name = 'slow',
        new = function()
          return {
            register = function()
              local done, settle = perilune.future()
              listed = settle
              said[#said + 1] = 'register'
              return (done:await())
            end,
            deregister = function()
              said[#said + 1] = 'deregister'
              return true
            end,
            subscribe = function() end,
            unsubscribe = function() end,
            close = function() end,
          }
        end,
      }
      local spec = { interface = 'a.Slow', alias = '', weight = 100, meta = {}, delay = 0 }
      spec.registry, spec.register = 'slow://x', true
      local list = registration.open({ spec }, { 'tcp://127.0.0.1:1' })
      eventually(function()
        return listed
      end)
      registration.close_list(list, 1000)
      assert.same({ 'register' }, said)
      listed(true)
      eventually(function()
        return #said == 2
      end)
      assert.same({ 'register', 'deregister' }, said)
      rawset(core, 'role', role)
    end)
  )

  it(
    'names the address that others reach a socket of all interfaces by',
    inside(function()
      local advertised = require('perilune.process.registration').advertised
      for host, address in pairs {
        ['10.0.0.7'] = '10.0.0.7:1',
        ['a.example'] = 'a.example:1',
        ['2001:db8::7'] = '[2001:db8::7]:1',
        ['::1'] = '[::1]:1',
        ['[2001:db8::7]'] = '[2001:db8::7]:1',
      } do
        assert.equal(address, (advertised('tcp://0.0.0.0:1', host)))
        assert.equal(address, (advertised('tcp://[::]:1', host)))
      end
      assert.equal('127.0.0.1:1', (advertised('tcp://[::]:1')))
      assert.equal('10.0.0.1:1', (advertised('tcp://10.0.0.1:1', 'a.example')))
    end)
  )
end)
