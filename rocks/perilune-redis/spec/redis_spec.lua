-- SPDX-License-Identifier: MIT
-- With a real redis-server of its own, on a unix socket.
local plugin = require 'perilune.cluster.registry.redis'
local resp = require 'perilune.redis.resp'
local testing = require 'perilune.testing'
local urls = require 'perilune.cluster.url'

local GREETER = { interface = 'demo.Greeter', alias = 'prod' }
local FIRST = 'joyrpc://127.0.0.1:1/demo.Greeter?alias=prod'
local OTHER = 'joyrpc://127.0.0.1:3/demo.Other'
local SECOND = 'joyrpc://127.0.0.1:2/demo.Greeter?alias=prod'

local folder, socket

local function start_server()
  local command =
    'redis-server --port 0 --unixsocket %s --save "" --daemonize yes --dir %s >/dev/null'
  assert(os.execute(command:format(socket, folder)) == 0, 'no redis-server')
  testing.eventually(function()
    local client = resp.connect('unix://' .. socket, { timeout = 1000 })
    if client then
      client:close()
    end
    return client
  end)
end

---@async
local function stop_server()
  local client = assert(resp.connect('unix://' .. socket, { timeout = 1000 }))
  client:command('SHUTDOWN', 'NOSAVE')
  client:close()
end

local function open(ttl, note)
  return plugin.new {
    note = note,
    url = urls.parse('redis://' .. socket),
    prefix = 'spec',
    ttl = ttl or 10000,
    timeout = 1000,
    db = 0,
  }
end

-- Follows the service; the result tells its addresses as text.
local function follow(registry)
  local seen = { text = nil }
  registry:subscribe(GREETER, function(snapshot)
    local list = {}
    for i, entry in ipairs(snapshot.entries) do
      list[i] = entry.address
    end
    table.sort(list)
    seen.text = table.concat(list, ' ')
  end)
  return seen
end

local function becomes(seen, text)
  testing.eventually(function()
    return seen.text == text
  end)
end

describe('registry redis', function()
  local registries

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute('mkdir -m 700 ' .. folder) == 0)
    socket = folder .. '/redis.sock'
    start_server()
  end)
  teardown(function()
    stop_server()
    os.execute('rm -rf ' .. folder)
  end)
  before_each(function()
    registries = {}
  end)
  after_each(function()
    for _, registry in ipairs(registries) do
      registry:close()
    end
  end)

  local function new(ttl, note)
    local registry = open(ttl, note)
    table.insert(registries, registry)
    return registry
  end

  it('tells consumers who comes and goes', function()
    local provider, consumer = new(), new()
    local seen = follow(consumer)
    becomes(seen, '')
    assert.is_true(provider:register(FIRST))
    becomes(seen, '127.0.0.1:1')
    assert.is_true(provider:register(SECOND))
    assert.is_true(provider:register(SECOND))
    becomes(seen, '127.0.0.1:1 127.0.0.1:2')
    assert.is_true(provider:deregister(FIRST))
    becomes(seen, '127.0.0.1:2')
    provider:close()
    becomes(seen, '')
  end)

  it('keeps other services apart', function()
    local registry = new()
    local seen = follow(registry)
    registry:register 'joyrpc://127.0.0.1:3/demo.Other?alias=prod'
    registry:register 'joyrpc://127.0.0.1:4/demo.Greeter?alias=test'
    registry:register(FIRST)
    becomes(seen, '127.0.0.1:1')
  end)

  it('forgets who is silent for longer than the ttl', function()
    local provider, consumer = open(300), new(300)
    local seen = follow(consumer)
    provider:register(FIRST)
    becomes(seen, '127.0.0.1:1')
    provider.own = {} -- as if the process had died
    provider:close()
    becomes(seen, '')
  end)

  it('keeps the list while the server is away, and lists again when it is back', function()
    local wrong = 'nothing said'
    local function note(message)
      wrong = message
    end
    local provider, consumer = new(300), new(300, note)
    local seen = follow(consumer)
    provider:register(FIRST)
    becomes(seen, '127.0.0.1:1')
    assert.is_nil(wrong)
    stop_server()
    testing.eventually(function()
      return not consumer.ear and wrong
    end)
    assert.equal('127.0.0.1:1', seen.text)
    assert.is_nil(provider:register(SECOND))
    start_server()
    becomes(seen, '127.0.0.1:1 127.0.0.1:2')
    assert.is_nil(wrong)
  end)

  -- Runs `change` when somebody is about to listen for changes.
  local function before_listening(change)
    local connect = resp.connect
    finally(function()
      resp.connect = connect
    end)
    resp.connect = function(...)
      local client, err = connect(...)
      if client then
        local send = client.send
        function client:send(verb, ...)
          if verb == 'SUBSCRIBE' then
            resp.connect = connect
            change()
          end
          return send(self, verb, ...)
        end
      end
      return client, err
    end
  end

  it('misses nothing that comes before it listens', function()
    local provider, consumer = new(60000), new(60000)
    before_listening(function()
      provider:register(FIRST)
    end)
    becomes(follow(consumer), '127.0.0.1:1')
  end)

  it('tells nothing of a service before it has asked for it', function()
    local registry = new()
    registry:register(FIRST)
    registry:register(OTHER)
    local seen = follow(registry)
    becomes(seen, '127.0.0.1:1')
    local told = {}
    local handle = registry:subscribe({ interface = 'demo.Other', alias = '' }, function(snapshot)
      table.insert(told, #snapshot.entries)
    end)
    testing.eventually(function()
      return told[1]
    end)
    assert.same({ 1 }, told)
    registry:unsubscribe(handle)
    registry:deregister(OTHER)
    registry:deregister(FIRST)
    becomes(seen, '')
    assert.same({ 1 }, told)
  end)

  it('says what is wrong with an address and an answer', function()
    assert.is_nil(plugin.new { url = urls.parse 'redis://', prefix = 'x', ttl = 300, timeout = 1 })
    for text, what in pairs {
      ['redis://:hush@127.0.0.1:1'] = '?.password=',
      ['redis://127.0.0.1:1/2'] = '?db=2',
    } do
      local _, message =
        plugin.new { url = urls.parse(text), prefix = 'x', ttl = 300, timeout = 1, db = 0 }
      assert.truthy(tostring(message):find(what, 1, true), message)
      assert.is_nil(message:find('hush', 1, true))
    end
    local client = assert(resp.connect('unix://' .. socket, { timeout = 1000 }))
    local _, err = client:command('NONSENSE')
    assert.equal('BAD_REQUEST', err.code)
    assert.matches('unknown command', err.message)
    client:close()
    _, err = resp.connect('unix:///nowhere/redis.sock', { timeout = 1000 })
    assert.is_table(err)
    _, err = resp.connect('unix://' .. socket, { timeout = 1000, password = 'wrong' })
    assert.matches('AUTH', err.message)
  end)
end)
