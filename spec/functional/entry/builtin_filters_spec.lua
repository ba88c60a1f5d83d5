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
    "takes up the trace map of JoyRPC's peers and hands it on, with the trace in it",
    inside(function()
      local inner_attachments
      local inner = serve({
        leaf = function(ctx)
          inner_attachments = ctx.call.attachments
          return ctx.trace
        end,
      }, { trace = true }, { trace = true })
      local outer = serve({
        look = function(ctx)
          return { ctx.trace, (inner:leaf()) }
        end,
      }, { trace = { id = 'tr' } })
      local function look(map)
        local both = perilune.check(perilune.with(outer, { attachments = { _trace = map } }):look())
        return both[1], both[2]
      end
      local id, span = '4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'
      local here, there = look { tr = '4BF92F35-77b3-4da6-a3ce-929d0e0e4736', n = 1, junk = { 1 } }
      assert.equal(id, here.trace_id)
      assert.same({ tr = '4BF92F35-77b3-4da6-a3ce-929d0e0e4736', n = 1 }, here.map)
      assert.equal(id, there.trace_id)
      assert.same({
        tr = here.map.tr,
        n = 1,
        traceparent = inner_attachments.traceparent,
      }, inner_attachments._trace)
      here =
        look { traceparent = ('00-%s-%s-00'):format(id, span), tracestate = 'rojo=1', tr = 'ff' }
      assert.same(
        { id, span, 0, 'rojo=1' },
        { here.trace_id, here.parent_id, here.flags, here.state }
      )
      assert.equal(('0'):rep(28) .. '1a2b', (look { tr = '1a2b' }).trace_id)
      for _, wrong in ipairs {
        'x',
        1,
        true,
        { 1, 2 },
        { tr = 'no digits' },
        { tr = '000' },
        { tr = id .. '0' },
      } do
        here, there = look(wrong)
        assert.equal(32, #here.trace_id)
        assert.equal(here.trace_id, there.trace_id)
        assert.equal(type(wrong) == 'table' and wrong.tr ~= nil, here.map ~= nil)
      end
      look(nil)
      assert.is_nil(inner_attachments._trace)
    end)
  )

  it(
    'sends a trace map where the consumer says so',
    inside(function()
      local greeter = serve({
        look = function(ctx)
          return ctx.call.attachments
        end,
      }, nil, { trace = { joyrpc = true } })
      local seen = perilune.check(greeter:look())
      assert.same({ traceparent = seen.traceparent }, seen._trace)
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
