-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('the event bus', function()
  it(
    'delivers by name, family and at all, later, each to its own fiber',
    inside(function()
      local heard = {}
      for _, pattern in ipairs { 'orders.placed', 'orders.*', '*', 'other.thing' } do
        perilune.on(pattern, function(event)
          heard[#heard + 1] = pattern .. ' ' .. event.id
        end)
      end
      perilune.publish('orders.placed', { id = 1 })
      assert.equal(0, #heard)
      turns(2)
      table.sort(heard)
      assert.same({ '* 1', 'orders.* 1', 'orders.placed 1' }, heard)
    end)
  )

  it(
    'gives each listener a table of its own with name, time and worker',
    inside(function()
      local one, two
      perilune.on('orders.placed', function(event)
        one = event
        event.id = 'changed'
      end)
      perilune.on('orders.placed', function(event)
        two = event
      end)
      perilune.publish('orders.placed', { id = 7 })
      turns(2)
      assert.equal('changed', one.id)
      assert.equal(7, two.id)
      assert.equal('orders.placed', two.name)
      assert.equal('number', type(two.time))
      assert.equal(core.worker, two.worker)
    end)
  )

  it(
    'keeps the order and lets a slow listener hold up nobody else',
    inside(function()
      local slow, quick = {}, {}
      perilune.on('a.b', function(event)
        perilune.sleep(1000)
        slow[#slow + 1] = event.i
      end)
      perilune.on('a.b', function(event)
        quick[#quick + 1] = event.i
      end)
      for i = 1, 3 do
        perilune.publish('a.b', { i = i })
      end
      turns(3)
      assert.same({ 1, 2, 3 }, quick)
      assert.same({}, slow)
      for _ = 1, 3 do
        advance(1001)
      end
      assert.same({ 1, 2, 3 }, slow)
    end)
  )

  it(
    'takes fields in a table, of what can be sent where it is to be heard everywhere',
    inside(function()
      for text, wrong in pairs {
        ["perilune.publish: 'a.b': its fields are a table, got a number"] = { 'publish', 5 },
        ["perilune.broadcast: 'a.b': its fields are a table, got a number"] = { 'broadcast', 5 },
        ["perilune.broadcast: 'a.b': value.data.f: function cannot"] = {
          'broadcast',
          { f = print },
        },
      } do
        local ok, message = pcall(perilune[wrong[1]], 'a.b', wrong[2])
        assert.is_false(ok)
        assert.truthy(message:find(text, 1, true), message)
      end
    end)
  )

  it(
    'logs what a listener throws, with its place, and goes on',
    inside(function()
      local heard = 0
      perilune.on('a.b', function()
        heard = heard + 1
        error 'broken ear'
      end)
      perilune.publish('a.b')
      perilune.publish('a.b')
      turns(3)
      assert.equal(2, heard)
      local lines = logged 'LISTENER'
      assert.equal(2, #lines)
      assert.truthy(lines[1].text:find('broken ear', 1, true))
    end)
  )

  it(
    'drops what a full queue cannot take, counted',
    inside(function()
      core.set_limits { events = 3 }
      local heard, release = {}, nil
      local ear = perilune.on('a.b', function(event)
        heard[#heard + 1] = event.i
        if not release then
          release = core.fiber()
          core.park()
        end
      end)
      perilune.publish('a.b', { i = 1 })
      turns(2)
      for i = 2, 9 do
        perilune.publish('a.b', { i = i })
      end
      assert.equal(5, ear.dropped)
      assert.truthy(logged('EVENTS')[1].text:find('limit events', 1, true))
      core.wake(release, true)
      turns(3)
      assert.same({ 1, 2, 3, 4 }, heard)
      perilune.publish('a.b', { i = 10 })
      turns(2)
      assert.equal(10, heard[5])
    end)
  )

  it(
    'says nothing to a listener that was closed, and publishes to nobody for nothing',
    inside(function()
      local heard = 0
      local ear = perilune.on('a.*', function()
        heard = heard + 1
      end)
      assert.is_true(perilune.events.wanted 'a.b')
      perilune.publish('a.b')
      ear:close()
      ear:close()
      turns(2)
      assert.equal(0, heard)
      assert.is_false(perilune.events.wanted 'a.b')
      assert.equal(0, #perilune.events.all())
    end)
  )

  it(
    'forgets the listeners of a generation',
    inside(function()
      local generation = require 'perilune.generation'
      perilune.on('a.b', function() end)
      generation.loading = 1
      perilune.on('a.b', function() end)
      perilune.events.retire(function(number)
        return number < 1
      end)
      generation.loading = false
      assert.equal(1, #perilune.events.all())
      assert.equal(1, perilune.events.all()[1].generation)
    end)
  )

  it(
    'remembers a bounded number of names',
    inside(function()
      local heard = 0
      perilune.on('a.*', function()
        heard = heard + 1
      end)
      for i = 1, 2500 do
        perilune.publish('b.n' .. i)
      end
      perilune.publish 'a.b'
      turns(2)
      assert.equal(1, heard)
    end)
  )

  it(
    'refuses names that are none, and misspelt ones of the runtime',
    inside(function()
      local function refused(text, ...)
        local ok, message = pcall(...)
        assert.is_false(ok)
        assert.truthy(tostring(message):find(text, 1, true), message)
      end
      refused("did you mean 'node.state'?", perilune.on, 'node.stat', print)
      refused('is no event name', perilune.on, 'Big', print)
      refused('is no event name', perilune.publish, 'no name')
      refused('is no event name', perilune.publish, 7)
      refused('must be a name, got a number', perilune.on, 'a.b', 7)
      refused("listener 'ear' unknown", perilune.on, 'a.b', 'ear')
    end)
  )

  it(
    'takes a plugin by name, with settings',
    inside(function()
      local heard = {}
      perilune.listener {
        name = 'ear',
        schema = { as = { type = 'string', required = true } },
        new = function(conf)
          return {
            listen = function(event)
              heard[#heard + 1] = conf.as .. event.name
            end,
          }
        end,
      }
      perilune.on('a.b', { 'ear', as = 'x ' })
      perilune.on('a.b', { 'log', level = 'warn' })
      perilune.publish('a.b', { secret = 1 })
      turns(2)
      assert.same({ 'x a.b' }, heard)
      local line = logged('EVENT')[1]
      assert.equal('warn', line.level)
      assert.equal('a.b', line.text)
      assert.equal(1, line.fields.secret)
    end)
  )

  it(
    'hears of exports',
    inside(function()
      local heard = {}
      perilune.on('export.*', function(event)
        heard[#heard + 1] = event.name .. ' ' .. event.interface
      end)
      local handle = perilune.export {
        interface = 'demo.Heard',
        service = {
          hello = function() end,
        },
      }
      handle.close()
      turns(2)
      assert.same({ 'export.opened demo.Heard', 'export.closed demo.Heard' }, heard)
    end)
  )

  it(
    'hears of sessions, of both ends',
    inside(function()
      local heard = {}
      local ear = perilune.on('session.*', function(event)
        heard[#heard + 1] = ('%s %s %s'):format(event.name, event.side, event.interface)
        heard.connection = heard.connection or event.connection
        assert.equal(heard.connection, event.connection)
      end)
      local greeter, interface = serve {
        hello = function()
          return 'hello'
        end,
      }
      assert.equal('hello', greeter:hello())
      turns(2)
      assert.equal('session.opened provider ' .. interface, heard[1])
      assert.equal('number', type(heard.connection))
      require('perilune.entry.declare').close()
      eventually(function()
        return heard[2]
      end, 'the end of the session')
      assert.equal('session.closed provider ' .. interface, heard[2])
      ear:close()
    end)
  )
end)
