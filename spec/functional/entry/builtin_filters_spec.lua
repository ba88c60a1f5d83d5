-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('filter trace', function()
  it(
    'begins a trace and hands it on to nested calls',
    inside(function()
      local seen = {}
      local inner = serve({
        leaf = function(ctx)
          seen.leaf = ctx.trace
          seen.leaf_text = ctx.call.attachments.traceparent
        end,
      }, { trace = true }, { trace = true })
      local outer = serve({
        root = function(ctx)
          seen.root = ctx.trace
          inner:leaf()
          local done, settle = perilune.future()
          perilune.spawn(function()
            inner:leaf()
            seen.spawned = seen.leaf
            settle(true)
          end)
          done:await()
        end,
      }, { trace = true }, { trace = true })
      outer:root()
      for _, trace in pairs { seen.root, seen.leaf, seen.spawned } do
        assert.truthy(trace.trace_id:match '^%x+$' and #trace.trace_id == 32)
        assert.truthy(trace.span_id:match '^%x+$' and #trace.span_id == 16)
        assert.truthy(#trace.parent_id == 16)
        assert.equal(1, trace.flags)
        assert.equal(seen.root.trace_id, trace.trace_id)
      end
      assert.truthy(seen.leaf.parent_id ~= seen.root.span_id, 'the client span stands between')
      assert.equal(('00-%s-%s-01'):format(seen.leaf.trace_id, seen.leaf.parent_id), seen.leaf_text)
    end)
  )

  it(
    'takes up what came from outside, flags and state too',
    inside(function()
      local inner_text
      local inner = serve({
        leaf = function(ctx)
          inner_text = ctx.call.attachments
        end,
      }, nil, { trace = true })
      local outer = serve({
        look = function(ctx)
          inner:leaf()
          return ctx.trace
        end,
      }, { trace = true })
      local id, span = '4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'
      local traced = perilune.with(outer, {
        attachments = { traceparent = ('00-%s-%s-00'):format(id, span), tracestate = 'rojo=1' },
      })
      local trace = traced:look()
      assert.equal(id, trace.trace_id)
      assert.equal(span, trace.parent_id)
      assert.equal(0, trace.flags)
      assert.truthy(trace.span_id ~= span)
      assert.truthy(inner_text.traceparent:match('^00%-' .. id .. '%-%x+%-00$'))
      assert.equal('rojo=1', inner_text.tracestate)
    end)
  )

  it(
    'replaces what is malformed',
    inside(function()
      local greeter = serve({
        look = function(ctx)
          return ctx.trace
        end,
      }, { trace = true })
      local id, span = '4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'
      local function look(text)
        return (perilune.with(greeter, { attachments = { traceparent = text } }):look())
      end
      for _, text in ipairs {
        '',
        'nonsense',
        1,
        {},
        true,
        ('ff-%s-%s-01'):format(id, span),
        ('00-%s-%s-01'):format(id:upper(), span),
        ('00-%s-%s-01'):format(('0'):rep(32), span),
        ('00-%s-%s-01'):format(id, ('0'):rep(16)),
        ('00-%s-%s-01'):format(span, id),
        ('00-%s-%s-1'):format(id, span),
        ('00-%s-%s-01-more'):format(id, span),
        ('00-%s-%s-0g'):format(id, span),
        ('x'):rep(60000),
      } do
        local trace = look(text)
        assert.truthy(trace.trace_id ~= id and #trace.trace_id == 32)
        assert.is_nil(trace.parent_id)
      end
      assert.equal(id, look(('01-%s-%s-01-more'):format(id, span)).trace_id)
    end)
  )

  it(
    'begins another trace for code that is detached',
    inside(function()
      local ids = {}
      local inner = serve({
        leaf = function(ctx)
          ids[#ids + 1] = ctx.trace.trace_id
        end,
      }, { trace = true }, { trace = true })
      local outer = serve({
        root = function(ctx)
          ids[1] = ctx.trace.trace_id
          perilune.detached(function()
            inner:leaf()
          end)
        end,
      }, { trace = true }, { trace = true })
      outer:root()
      eventually(function()
        return ids[2]
      end)
      assert.truthy(ids[1] ~= ids[2])
    end)
  )
end)

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

describe('filter concurrency', function()
  it(
    'lets at most so many calls through, in order',
    inside(function()
      local active, most, order = 0, 0, {}
      local greeter = serve({
        work = function(_, i)
          active = active + 1
          most = math.max(most, active)
          order[#order + 1] = i
          turns(3)
          active = active - 1
          return i
        end,
      }, nil, { concurrency = 2 })
      local list = {}
      for i = 1, 9 do
        list[i] = perilune.async(greeter):work(i)
      end
      local results = assert(perilune.all(list):await())
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9 }, results)
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9 }, order)
      assert.equal(2, most)
    end)
  )

  it(
    'waits no longer than the deadline, and forgets who gave up',
    inside(function()
      local release = {}
      local greeter = serve({
        work = function(_, i)
          local done, settle = perilune.future()
          release[i] = settle
          return (done:await())
        end,
      }, nil, { concurrency = 1, timeout = 10000 })
      local first = perilune.async(greeter):work(1)
      eventually(function()
        return release[1]
      end)
      local second = perilune.async(perilune.with(greeter, { timeout = 50 })):work(2)
      local third = perilune.async(greeter):work(3)
      turns(3)
      advance(60)
      local _, err = second:await()
      assert.equal('TIMEOUT', err.code)
      assert.truthy(err.message:find('no place was free', 1, true))
      local fourth = perilune.async(greeter):work(4)
      turns(3)
      third:cancel()
      release[1] 'one'
      assert.equal('one', (first:await()))
      eventually(function()
        return release[4]
      end)
      assert.is_nil(release[3])
      release[4] 'four'
      assert.equal('four', (fourth:await()))
    end)
  )

  it(
    'gives back the place of a call that fails or throws',
    inside(function()
      local bad = true
      local greeter = serve(
        {
          work = function()
            return 'done'
          end,
        },
        nil,
        {
          concurrency = 1,
          attempt_filters = {
            function(ctx, call, next)
              if bad then
                error 'a bug'
              end
              return next(ctx, call)
            end,
          },
        }
      )
      for _ = 1, 3 do
        local _, err = greeter:work()
        assert.equal('INTERNAL', err.code)
      end
      bad = false
      assert.equal('done', (greeter:work()))
    end)
  )
end)

describe('concurrency of a provider', function()
  it(
    'refuses what is too much, and says that it did not run',
    inside(function()
      local release
      local greeter = serve({
        work = function()
          local done, settle = perilune.future()
          release = settle
          return (done:await())
        end,
      }, { concurrency = 1 })
      local first = perilune.async(greeter):work()
      eventually(function()
        return release
      end)
      local _, err = greeter:work()
      assert.equal('OVERLOADED', err.code)
      assert.equal('REFUSED', err.outcome)
      assert.is_true(err.retryable)
      release 'done'
      assert.equal('done', (first:await()))
      local again = perilune.async(greeter):work()
      release = nil
      eventually(function()
        return release
      end)
      release 'again'
      assert.equal('again', (again:await()))
    end)
  )
end)

describe('filter timeout', function()
  it(
    'logs calls that are slow, and no others',
    inside(function()
      local greeter = serve({
        quick = function()
          return 1
        end,
        slow = function()
          core.test_advance(200)
          perilune.sleep(0)
          return 1
        end,
      }, { slow = 150 })
      greeter:quick()
      greeter:slow()
      local lines = logged 'SLOW-CALL'
      assert.equal(1, #lines)
      assert.equal('slow', lines[1].fields.method)
      assert.truthy(lines[1].fields.ms >= 200)
    end)
  )
end)

describe('filter exception', function()
  it(
    'keeps the message of a hidden code here',
    inside(function()
      local greeter = serve({
        leak = function()
          return nil, perilune.error('INTERNAL', 'password of the database is 1234')
        end,
        declared = function()
          return nil, perilune.error('NOT_FOUND', 'no such star')
        end,
        lost = function()
          return nil, perilune.error('DATA_LOSS', 'disk 3')
        end,
      }, { filters = { { 'exception', map = { DATA_LOSS = 'UNAVAILABLE' } } } })
      local _, err = greeter:leak()
      assert.equal('INTERNAL', err.code)
      assert.is_nil(err.message:find('1234', 1, true))
      assert.truthy(logged('ERROR-HIDDEN')[1].fields.message:find('1234', 1, true))
      _, err = greeter:declared()
      assert.equal('NOT_FOUND', err.code)
      assert.equal('no such star', err.message)
      _, err = greeter:lost()
      assert.equal('UNAVAILABLE', err.code)
      assert.equal('disk 3', err.message)
    end)
  )

  it(
    'refuses codes that do not exist',
    inside(function()
      assert.is_false((pcall(serve, { f = print }, { exception = { hide = { 'INTERNEL' } } })))
      assert.is_false(
        (pcall(serve, { f = print }, { exception = { map = { NOT_FOUND = 'MISSING' } } }))
      )
    end)
  )
end)

describe('filter access_log', function()
  it(
    'writes a line for each call on either side',
    inside(function()
      local greeter, name = serve({
        hello = function()
          return 'hello'
        end,
        fail = function()
          return nil, perilune.error('NOT_FOUND', 'x')
        end,
      }, { access_log = true, alias = 'prod' }, { access_log = 'debug' })
      greeter:hello()
      greeter:fail()
      local lines = logged 'ACCESS'
      assert.equal(4, #lines)
      local served, called, failed = lines[1], lines[2], lines[3]
      assert.equal('info', served.level)
      assert.equal('debug', called.level)
      assert.equal(name, served.fields.service)
      assert.equal('prod', served.fields.alias)
      assert.equal('hello', served.fields.method)
      assert.equal('OK', served.fields.code)
      assert.truthy(served.fields.peer:find('127.0.0.1', 1, true))
      assert.truthy(served.fields.ms >= 0)
      assert.equal('NOT_FOUND', failed.fields.code)
    end)
  )
end)

describe('the built-in order', function()
  it(
    'is trace, access_log, exception, token, timeout, then the list',
    inside(function()
      local declare = require 'perilune.entry.declare'
      local spec = require('perilune.entry.options').check('export', {
        interface = 'demo.Order',
        service = { f = print },
        trace = true,
        access_log = true,
        exception = true,
        token = 'x',
        slow = 5,
        filters = {
          function(ctx, call, next)
            return next(ctx, call)
          end,
        },
      })
      local names = require('perilune.entry.exporter').compile(spec)[1].chain_names
      assert.same({ 'trace', 'access_log', 'exception', 'token', 'timeout', 'inline' }, names)
      assert.truthy(declare)
    end)
  )
end)
