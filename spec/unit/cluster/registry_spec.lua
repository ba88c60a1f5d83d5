-- SPDX-License-Identifier: MIT
require 'spec.support.c'
local fake = require 'spec.support.fake_core'
local lfs = require 'lfs'

local PROD = { interface = 'demo.Greeter', alias = 'prod' }

local function url(port, extra)
  return ('joyrpc://127.0.0.1:%d/demo.Greeter?alias=prod%s'):format(port, extra or '')
end

local function addresses(snapshot)
  local list = {}
  for i, entry in ipairs(snapshot.entries) do
    list[i] = entry.address:match ':(%d+)$'
  end
  return table.concat(list, ' ')
end

local folders = {}
local function new_folder()
  local path = os.tmpname()
  os.remove(path)
  folders[#folders + 1] = path
  return path
end

teardown(function()
  for _, path in ipairs(folders) do
    if lfs.attributes(path, 'mode') == 'directory' then
      for name in lfs.dir(path) do
        os.remove(path .. '/' .. name)
      end
      lfs.rmdir(path)
    end
  end
end)

describe('cluster/url', function()
  local urls = require 'perilune.cluster.url'

  it('reads and writes', function()
    local parsed = assert(urls.parse 'JOYRPC://h:1/a.B?z=1&a=x%20y')
    assert.equal('joyrpc', parsed.scheme)
    assert.equal('h:1', parsed.address)
    assert.equal(1, parsed.port)
    assert.equal('a.B', parsed.path)
    assert.same({ z = '1', a = 'x y' }, parsed.params)
    assert.equal('joyrpc://h:1/a.B?a=x%20y&z=1', urls.format(parsed))
    assert.equal('/run/x.sock', urls.parse('unix:///run/x.sock').address)
    assert.equal('::1', urls.parse('tcp://[::1]:22').host)
    assert.is_nil(urls.parse 'localhost:22')
    assert.is_nil(urls.parse 'tcp://h:70000')
    assert.is_nil(urls.parse(7))
  end)

  it('makes entries, keeps secrets back, checks weights', function()
    local entry = assert(urls.entry(url(1, '&weight=7&version=v2&.token=x')))
    assert.same({ version = 'v2' }, entry.meta)
    assert.equal(7, entry.weight)
    assert.equal('prod', entry.alias)
    assert.equal('demo.Greeter', entry.interface)
    assert.equal('joyrpc://127.0.0.1:1', entry.url)
    assert.equal(url(1, '&version=v2&weight=7'), urls.of_entry(entry))
    assert.is_nil(urls.entry(url(1, '&weight=-1')))
    assert.is_nil(urls.entry(url(1, '&weight=many')))
    assert.equal(3, #urls.entries 'joyrpc://a:1, joyrpc://b:1;joyrpc://c:1')
    assert.is_nil(urls.entries '')
  end)
end)

-- Every registry that providers can enter keeps these promises.
for _, kind in ipairs { 'memory', 'file' } do
  describe('cluster/registry ' .. kind, function()
    local core, registry, where
    before_each(function()
      core = fake.install()
      registry = require 'perilune.cluster.registry'
      where = kind == 'memory' and 'memory://spec' or 'file://' .. new_folder()
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

describe('cluster/registry file', function()
  local core, plugin, path
  before_each(function()
    core = fake.install()
    plugin = require 'perilune.plugin'
    path = new_folder()
  end)

  local function open(folder)
    local record = assert(plugin.find('registry', 'file'))
    local urls = require 'perilune.cluster.url'
    return plugin.instantiate(
      record,
      {},
      { url = assert(urls.parse('file://' .. (folder or path))) }
    )
  end

  local function files()
    local list = {}
    for name in lfs.dir(path) do
      if name:match '%.json$' then
        list[#list + 1] = name
      end
    end
    return list
  end

  -- A process that touches its files as time passes: the fake clock moves theirs, too.
  local touched
  local function age(seconds)
    for _, name in ipairs(files()) do
      touched = os.time() - seconds
      lfs.touch(path .. '/' .. name, touched, touched)
    end
  end

  it('keeps folder and files to their owner', function()
    local registry = assert(open())
    assert.is_true(registry:register(url(1)))
    assert.equal('rwx------', lfs.attributes(path, 'permissions'))
    assert.equal('rw-------', lfs.attributes(path .. '/' .. files()[1], 'permissions'))
    registry:close()
    assert.equal(0, #files())
  end)

  it('refuses a folder that is open to others and says what to do', function()
    lfs.mkdir(path)
    os.execute(("chmod 755 '%s'"):format(path))
    local registry, message = open()
    assert.is_nil(registry)
    assert.truthy(tostring(message):find('chmod 700', 1, true))
    registry, message = open '/nowhere/at/all'
    assert.is_nil(registry)
    assert.truthy(tostring(message):find('cannot make the folder', 1, true))
  end)

  it('takes who is not touched for three seconds off the list, and back when touched', function()
    local provider, consumer = assert(open()), assert(open())
    provider:register(url(1))
    local seen = {}
    consumer:subscribe(PROD, function(snapshot)
      seen[#seen + 1] = addresses(snapshot)
    end)
    core.pass(100)
    assert.same({ '1' }, seen)
    provider.closed = true -- as good as killed: it touches no more
    core.pass(1)
    age(2)
    core.pass(2500)
    assert.same({ '1' }, seen)
    core.pass(3000)
    assert.same({ '1', '' }, seen)
    age(0)
    core.pass(1100)
    assert.same({ '1', '', '1' }, seen)
    consumer:close()
    core.pass(5000)
  end)

  it('ignores what a dead process left behind, and removes it in the end', function()
    local provider = assert(open())
    provider:register(url(1))
    provider.closed = true
    age(60)
    local consumer, seen = assert(open()), {}
    consumer:subscribe(PROD, function(snapshot)
      seen[#seen + 1] = addresses(snapshot)
    end)
    core.pass(2000)
    assert.same({ '' }, seen)
    core.pass(70000)
    assert.equal(0, #files())
    consumer:close()
    core.pass(5000)
  end)

  it('touches its files every second and writes them again when they are lost', function()
    local provider = assert(open())
    provider:register(url(1))
    age(100)
    core.pass(1100)
    assert.is_true(lfs.attributes(path .. '/' .. files()[1], 'modification') > os.time() - 50)
    os.remove(path .. '/' .. files()[1])
    core.pass(1100)
    assert.equal(1, #files())
    provider:close()
    core.pass(2000)
  end)

  it('looks at once when the folder changes', function()
    local provider, consumer = assert(open()), assert(open())
    local seen = {}
    consumer:subscribe(PROD, function(snapshot)
      seen[#seen + 1] = addresses(snapshot)
    end)
    core.pass(100)
    provider:register(url(1))
    core.watching 'x'
    core.pass(30)
    assert.same({ '', '1' }, seen)
    consumer:close()
    provider:close()
    core.pass(5000)
  end)

  it('is not confused by files that are none of ours', function()
    local consumer = assert(open())
    for name, text in pairs {
      ['garbage.json'] = '{{{',
      ['number.json'] = '7',
      ['nourl.json'] = '{"url": 7}',
      ['badurl.json'] = '{"url": "nope"}',
      ['big.json'] = ('x'):rep(100000),
      ['notes.txt'] = 'hello',
    } do
      local file = assert(io.open(path .. '/' .. name, 'w'))
      file:write(text)
      file:close()
    end
    lfs.link('/etc/passwd', path .. '/link.json', true)
    lfs.mkdir(path .. '/dir.json')
    local seen = {}
    consumer:subscribe(PROD, function(snapshot)
      seen[#seen + 1] = addresses(snapshot)
    end)
    core.pass(100)
    assert.same({ '' }, seen)
    lfs.rmdir(path .. '/dir.json')
    consumer:close()
    core.pass(5000)
  end)
end)

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
