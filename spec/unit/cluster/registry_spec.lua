-- SPDX-License-Identifier: MIT
require 'spec.support.c'
local fake = require 'spec.support.fake_core'
local folders = require 'spec.support.folders'
local greeters = require 'spec.support.greeters'
local lfs = require 'lfs'

local PROD, url, addresses = greeters.PROD, greeters.url, greeters.addresses

teardown(folders.remove_all)

-- Every registry that providers can enter keeps these promises.
for _, kind in ipairs { 'memory', 'file' } do
  describe('cluster/registry ' .. kind, function()
    local core, registry, where
    before_each(function()
      core = fake.install()
      registry = require 'perilune.cluster.registry'
      where = kind == 'memory' and 'memory://spec' or 'file://' .. folders.new()
    end)
    after_each(function()
      core.run(registry.close_all)
      core.pass(5000)
    end)

    local function follow(service)
      local seen = {}
      local subscription = assert(registry.subscribe(where, service or PROD, function(snapshot)
        seen[#seen + 1] = addresses(snapshot)
        seen.last = snapshot
      end))
      core.pass(50)
      return seen, subscription
    end

    it('tells at once that nobody is there', function()
      assert.same({ '' }, { (follow())[1] })
    end)

    it('lists providers of the service and alias only, with what they registered', function()
      local seen = follow()
      local other = follow { interface = 'demo.Greeter', alias = 'test' }
      core.run(registry.register, where, url(1, '&version=v2&weight=5'))
      core.pass(50)
      assert.equal('1', seen[#seen])
      assert.equal('v2', seen.last.entries[1].meta.version)
      assert.equal(5, seen.last.entries[1].weight)
      assert.equal('', other[#other])
      core.run(registry.register, where, url(2))
      core.pass(50)
      assert.equal('1 2', seen[#seen])
    end)

    it('counts a provider that registers twice once', function()
      core.run(registry.register, where, url(1))
      core.run(registry.register, where, url(1))
      assert.equal('1', follow()[1])
    end)

    it('drops who deregisters, the last one too', function()
      core.run(registry.register, where, url(1))
      core.run(registry.register, where, url(2))
      local seen = follow()
      core.run(registry.deregister, where, url(1))
      core.pass(50)
      core.run(registry.deregister, where, url(2))
      core.pass(50)
      assert.same({ '1 2', '2', '' }, { unpack(seen) })
    end)

    it('grows its versions and says nothing when nothing changed', function()
      core.run(registry.register, where, url(1))
      local seen = follow()
      local version = seen.last.version
      core.pass(2500)
      assert.equal(1, #seen)
      core.run(registry.register, where, url(2))
      core.pass(50)
      assert.is_true(seen.last.version > version)
    end)

    it('never lists a secret', function()
      core.run(registry.register, where, url(1, '&.token=hunter2'))
      local seen = follow()
      assert.equal('1', seen[1])
      for key in pairs(seen.last.entries[1].meta) do
        assert.not_equal('.', key:sub(1, 1))
      end
      if kind == 'file' then
        for name in lfs.dir(where:sub(8)) do
          local file = name:match 'json$' and io.open(where:sub(8) .. '/' .. name)
          if file then
            assert.is_nil(file:read('*a'):find('hunter2', 1, true))
            file:close()
          end
        end
      end
    end)

    it('tells nobody who unsubscribed', function()
      local seen, subscription = follow()
      registry.unsubscribe(subscription)
      core.run(registry.register, where, url(1))
      core.pass(2500)
      assert.equal(1, #seen)
    end)

    it('gives a second subscriber the list at once', function()
      core.run(registry.register, where, url(1))
      follow()
      local seen = {}
      registry.subscribe(where, PROD, function(snapshot)
        seen[#seen + 1] = addresses(snapshot)
      end)
      assert.same({ '1' }, seen)
    end)
  end)
end

describe('cluster/registry', function()
  local core, registry, plugin
  before_each(function()
    core = fake.install()
    registry = require 'perilune.cluster.registry'
    plugin = require 'perilune.plugin'
  end)

  local function scripted()
    local control = { registered = {} }
    plugin.register('registry', {
      name = 'scripted',
      schema = { ttl = { type = 'integer', min = 1, default = 30 } },
      new = function(conf)
        control.conf = conf
        if control.broken then
          return nil, 'the registry is down'
        end
        return {
          subscribe = function(_, _, on_change)
            control.on_change = on_change
            return {}
          end,
          unsubscribe = function()
            control.on_change = nil
          end,
          register = function(_, service_url)
            table.insert(control.registered, service_url)
            return true
          end,
          close = function() end,
        }
      end,
    })
    return control
  end

  local function entries(n)
    local urls = require 'perilune.cluster.url'
    local list = {}
    for i = 1, n do
      list[i] = assert(urls.entry(url(i)))
    end
    return list
  end

  it('checks the URL and its parameters', function()
    local control = scripted()
    assert(registry.open 'scripted://here?ttl=7')
    assert.equal(7, control.conf.ttl)
    local _, message = registry.open 'scripted://here?ttl=none'
    assert.equal("registry 'scripted': ttl must be integer of at least 1, got 'none'", message)
    _, message = registry.open 'memory://x?ttl=1'
    assert.truthy(tostring(message):find("unknown setting 'ttl'", 1, true))
    assert.truthy(registry.check('nope'):find('is no URL', 1, true))
  end)

  it('ignores an empty list unless it is meant, and old versions always', function()
    local control, seen = scripted(), {}
    registry.subscribe('scripted://x', PROD, function(snapshot)
      seen[#seen + 1] = addresses(snapshot)
    end)
    core.pass(10)
    control.on_change { version = 1, entries = entries(2) }
    control.on_change { version = 2, entries = {} }
    control.on_change { version = 1, entries = entries(1) }
    control.on_change { version = 3, entries = entries(1) }
    control.on_change { version = 4, entries = {}, explicit = true }
    assert.same({ '1 2', '1', '' }, seen)
    assert.equal(1, #core.logs)
  end)

  it('ends a subscription that nobody wants any more when it is there', function()
    local began, ended = 0, 0
    plugin.register('registry', {
      name = 'slow',
      subscribe = function()
        began = began + 1
        core.sleep(100)
        return began
      end,
      unsubscribe = function(_, handle)
        ended = handle
      end,
      close = function() end,
    })
    local subscription = registry.subscribe('slow://x', PROD, function() end)
    core.pass(10)
    registry.unsubscribe(subscription)
    assert.same({ 1, 0 }, { began, ended })
    core.pass(200)
    assert.same({ 1, 1 }, { began, ended })
  end)

  it('keeps lists of many thousands', function()
    local memory = assert(registry.open 'memory://large')
    local last
    registry.subscribe('memory://large', PROD, function(snapshot)
      last = snapshot
    end)
    core.pass(10)
    local order = memory.space.order
    for i = 1, 9000 do
      order[i] = url(i)
    end
    core.run(registry.register, 'memory://large', url(9001))
    assert.equal(9001, #last.entries)
    local clusters = require 'perilune.cluster.cluster'
    plugin.register('candidate', 'odd', function()
      error 'broken'
    end)
    local cluster = assert(clusters.open {
      interface = PROD.interface,
      alias = PROD.alias,
      registry = 'memory://large',
      candidate = 'odd',
      connections = 8500,
    })
    assert.equal(8500, #cluster.order)
    cluster:close()
  end)

  it('waits for a registry that is down', function()
    local control, seen = scripted(), {}
    control.broken = true
    registry.subscribe('scripted://x', PROD, function(snapshot)
      seen[#seen + 1] = addresses(snapshot)
    end)
    core.pass(5000)
    control.broken = nil
    core.pass(5000)
    control.on_change { version = 1, entries = entries(1) }
    assert.same({ '1' }, seen)
  end)

  describe('that answers or does not', function()
    local heard
    before_each(function()
      heard = {}
      require('perilune.events').on('registry.*', function(event)
        if event.name ~= 'registry.changed' then
          local text = event.name .. ' ' .. event.registry
          table.insert(heard, event.message and text .. ': ' .. event.message or text)
        end
      end)
    end)

    it('is told once, by what its functions give', function()
      local control = scripted()
      control.broken = true
      registry.subscribe('scripted://x', PROD, function() end)
      core.pass(5000)
      assert.same(
        { "registry.down scripted://x: registry 'scripted': the registry is down" },
        heard
      )
      control.broken = nil
      core.pass(5000)
      assert(registry.register('scripted://x', url(1)))
      core.pass(10)
      assert.equal('registry.up scripted://x', heard[2])
      assert.is_nil(heard[3])
    end)

    it('tells itself where it can', function()
      local note
      plugin.register('registry', {
        name = 'noting',
        notes = true,
        new = function(conf)
          note = conf.note
          return {
            subscribe = function()
              return {}
            end,
            close = function() end,
          }
        end,
      })
      registry.subscribe('noting://x', PROD, function() end)
      core.pass(10)
      assert.same({}, heard)
      for _, message in ipairs { false, false, 'the line is cut', 'again', false } do
        note(message or nil)
      end
      core.pass(10)
      assert.same({
        'registry.up noting://x',
        'registry.down noting://x: the line is cut',
        'registry.up noting://x',
      }, heard)
    end)
  end)

  it('carries lists from the control VM to a worker, and registrations back', function()
    local worker = core
    worker.role, worker.worker = 'worker', 2
    local worker_registry, seen = registry, {}
    plugin.register('registry', { name = 'scripted', subscribe = print, close = print })
    local subscription = worker_registry.subscribe('scripted://x', PROD, function(snapshot)
      seen[#seen + 1] = addresses(snapshot)
    end)
    worker_registry.register('scripted://x', url(7))

    core = fake.install()
    core.role = 'control'
    registry, plugin = require 'perilune.cluster.registry', require 'perilune.plugin'
    local control = scripted()
    registry.serve()
    local function deliver()
      for _, m in ipairs(worker.messages) do
        assert.equal(0, m.to)
        core.handlers[m.name](m.payload, 2)
      end
      worker.messages = {}
      core.pass(10)
      for _, m in ipairs(core.messages) do
        assert.equal(2, m.to)
        worker.handlers[m.name](m.payload, 0)
      end
      core.messages = {}
    end
    deliver()
    assert.same({ url(7) }, control.registered)
    control.on_change { version = 1, entries = entries(2) }
    deliver()
    assert.same({ '1 2' }, seen)
    worker_registry.unsubscribe(subscription)
    deliver()
    assert.is_nil(control.on_change)
  end)

  it('lists from two registries are one', function()
    local clusters = require 'perilune.cluster.cluster'
    for _, port in ipairs { 1, 2 } do
      core.servers['127.0.0.1:' .. port] = {
        handler = function()
          return true, port
        end,
      }
    end
    core.run(registry.register, 'memory://one', url(1))
    core.run(registry.register, 'memory://two', url(1))
    core.run(registry.register, 'memory://two', url(2))
    local cluster = assert(clusters.open {
      interface = PROD.interface,
      alias = PROD.alias,
      registry = { 'memory://one', 'memory://two', 'fixed://?urls=joyrpc://127.0.0.1:2' },
    })
    core.pass(20)
    assert.equal(2, #cluster.ready_nodes)
    core.run(registry.deregister, 'memory://two', url(2))
    core.pass(20)
    assert.equal(2, #cluster.ready_nodes)
    cluster:close()
  end)

  it('feeds a cluster', function()
    local clusters = require 'perilune.cluster.cluster'
    core.servers['127.0.0.1:1'] = {
      handler = function()
        return true, 'one'
      end,
    }
    core.run(registry.register, 'memory://feed', url(1))
    local cluster = assert(clusters.open {
      interface = PROD.interface,
      alias = PROD.alias,
      registry = 'memory://feed',
    })
    local function greet()
      return core.run(function()
        local result, err = cluster:dispatch(fake.ctx(core), { method = 'hello', args = { n = 0 } })
        return { result, err }
      end)
    end
    assert.equal('one', greet()[1])
    core.run(registry.deregister, 'memory://feed', url(1))
    core.pass(1500)
    assert.truthy(
      greet()[2].message:find('nobody provides demo.Greeter (prod) in memory://feed', 1, true)
    )
    cluster:close()
  end)
end)
