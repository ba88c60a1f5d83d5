-- SPDX-License-Identifier: MIT
require 'spec.support.c'
local support = require 'spec.support.cluster'

describe('candidate region', function()
  local t
  before_each(function()
    t = support.install()
  end)

  local function entries(...)
    local list = {}
    for i, place in ipairs { ... } do
      local region, zone = place:match '^(%w+)/?(%w*)$'
      list[i] = { address = i .. ':1', url = 'joyrpc://' .. i .. ':1', weight = 100 }
      list[i].meta = { region = region, zone = zone ~= '' and zone or nil, place = place }
    end
    return list
  end

  local function choose(conf, list, connections)
    conf[1] = 'region'
    local candidate, message = t.plugin.use('candidate', conf)
    assert(candidate, message)
    local chosen = candidate(list, {
      connections = connections or 100,
      ranked = function(given)
        return given
      end,
    })
    local places = {}
    for i, entry in ipairs(chosen) do
      places[i] = entry.meta.place
    end
    return table.concat(places, ' ')
  end

  it('goes as far as it must and no further', function()
    local list = entries('us/1', 'eu/1', 'eu/2', 'eu/1', 'asia', 'us/2')
    assert.equal('eu/1 eu/1', choose({ region = 'eu', zone = '1' }, list))
    assert.equal('eu/1 eu/2 eu/1', choose({ region = 'eu' }, list))
    assert.equal('eu/1 eu/1 eu/2', choose({ region = 'eu', zone = '1', min = 3 }, list))
    assert.equal('eu/1 eu/1 eu/2 us/1', choose({ region = 'eu', zone = '1', min = 4 }, list))
    assert.equal('us/1', choose({ region = 'africa' }, list))
    assert.equal('eu/1 eu/1 asia us/1', choose({ region = 'eu', zone = '1', standby = 1 }, list))
    assert.equal('eu/1 eu/1', choose({ region = 'eu', zone = '1', standby = 1 }, list, 2))
  end)

  it('is what a cluster connects to', function()
    for i = 1, 4 do
      t.serve(i .. ':1')
    end
    local cluster = t.open {
      url = t.urls '1:1?region=eu 2:1?region=us 3:1?region=us 4:1?region=eu',
      candidate = { 'region', region = 'eu' },
    }
    assert.equal(2, #cluster.ready_nodes)
    assert.is_nil(t.core.connects['2:1'])
  end)

  -- The seed's default choice among more than a hundred providers ran out of its list.
  it('subset serves hundreds of providers', function()
    local urls = {}
    for i = 1, 250 do
      t.serve(i .. ':1')
      urls[i] = ('joyrpc://%d:1'):format(i)
    end
    local cluster = t.open { url = urls }
    assert.equal(100, #cluster.ready_nodes)
    for _ = 1, 300 do
      assert.is_nil(t.call(cluster).err)
    end
    assert.equal(250, #t.open({ url = urls, candidate = 'all' }).ready_nodes)
  end)

  it('breaking its contract is told when it is registered', function()
    local ok, message = pcall(t.plugin.register, 'candidate', 'odd', { select = print })
    assert.is_false(ok)
    assert.truthy(message:find("candidate 'odd': misses member 'choose' (a function)", 1, true))
  end)
end)

describe('a registry that lies', function()
  local t, entries
  before_each(function()
    t = support.install()
    entries = require 'perilune.cluster.entries'
  end)

  local service = { interface = 'demo.A' }

  local function complaint(entry)
    local list, message = entries.clean({ entry }, service)
    assert.equal(0, #list)
    return message:match '^1 of 1 entries are left out; entry 1: (.*)$'
  end

  it('has its bad addresses, weights and services left out', function()
    for wanted, entry in pairs {
      ['is a number'] = 7,
      ['a URL must be a string, got a nil'] = {},
      ["'a:1' is no URL: write it like joyrpc://127.0.0.1:22000"] = { url = 'a:1' },
      ["scheme 'ftp' unknown"] = { url = 'ftp://a:1' },
      ["'joyrpc://a' has no host:port"] = { url = 'joyrpc://a' },
      ["'joyrpc://' has no host:port"] = { url = 'joyrpc://' },
      ["'joyrpc://a:0' is no address to connect to"] = { url = 'joyrpc://a:0' },
      ["'joyrpc://:1' is no address to connect to"] = { url = 'joyrpc://:1' },
      ["'joyrpc://::1:5' has an IPv6 address without brackets; write [::1]:22000"] = {
        url = 'joyrpc://::1:5',
      },
      ["'joyrpc://a:99999': port 99999 is above 65535"] = { url = 'joyrpc://a:99999' },
      ["'joyrpc://a:1' provides demo.B"] = { url = 'joyrpc://a:1', interface = 'demo.B' },
      ["weight of 'joyrpc://a:1' is '-1'"] = { url = 'joyrpc://a:1', weight = -1 },
      ["weight of 'joyrpc://a:1' is 'nan'"] = { url = 'joyrpc://a:1', weight = 0 / 0 },
      ["weight of 'joyrpc://a:1' is 'many'"] = { url = 'joyrpc://a:1', weight = 'many' },
    } do
      assert.equal((wanted:gsub("'nan'", "'" .. tostring(0 / 0) .. "'")), complaint(entry))
    end
  end)

  it('has what is right copied and nothing else', function()
    local list = entries.clean({
      {
        url = 'joyrpc://a:1',
        address = 'somewhere.else:9',
        weight = '7',
        meta = { version = 2, ['.token'] = 'secret', deep = {}, [1] = 'x', on = true },
        id = 'stolen',
        _link = {},
      },
      { url = 'unix:///run/x' },
    }, service)
    assert.same({
      url = 'joyrpc://a:1',
      address = 'a:1',
      weight = 7,
      meta = { version = '2', on = 'true' },
    }, list[1])
    assert.equal('/run/x', list[2].address)
  end)

  it('lists somebody twice: the first counts', function()
    local list, message = entries.clean({
      { url = 'joyrpc://a:1', weight = 1 },
      { url = 'joyrpc://a:1', weight = 9 },
    }, service)
    assert.equal(1, #list)
    assert.equal(1, list[1].weight)
    assert.equal("1 of 2 entries are left out; entry 2: 'joyrpc://a:1' is listed twice", message)
  end)

  local function lying(snapshots)
    t.plugin.register('registry', {
      name = 'lying',
      new = function()
        return {
          subscribe = function(_, _, on_change)
            snapshots.tell = on_change
            return 1
          end,
          close = function() end,
        }
      end,
    })
    t.serve 'a:1'
    return t.open { interface = 'demo.A', registry = 'lying://x' }
  end

  it('shrinks to nothing: the nodes stay unless that is meant', function()
    local registry = {}
    local cluster = lying(registry)
    registry.tell { version = 1, entries = { { url = 'joyrpc://a:1' } } }
    t.core.pass(50)
    assert.equal('a:1', t.call(cluster).result)
    registry.tell { version = 2, entries = {} }
    registry.tell { version = 3, entries = { 'rubbish', { url = 'ftp://b:1' } }, explicit = true }
    t.core.pass(50)
    assert.equal('a:1', t.call(cluster).result)
    assert.truthy(table.concat(t.core.logs, '\n'):find('2 of 2 entries are left out', 1, true))
    registry.tell { version = 4, entries = {}, explicit = true }
    t.core.pass(50)
    assert.equal('NO_NODE', t.call(cluster, nil, 50).err.code)
  end)

  it('says no snapshot at all', function()
    local registry = {}
    lying(registry)
    local ok, message = pcall(registry.tell, { version = 1, entries = 'all' })
    assert.is_false(ok)
    assert.truthy(message:find("registry 'lying://x': on_change wants", 1, true))
  end)
end)

describe('a policy plugin', function()
  local t
  before_each(function()
    t = support.install()
  end)
  after_each(function()
    for _, name in ipairs { 'broken', 'text', 'other_name' } do
      package.preload['perilune.cluster.selector.' .. name] = nil
      package.loaded['perilune.cluster.selector.' .. name] = nil
    end
  end)

  local function wrong(name, load)
    package.preload['perilune.cluster.selector.' .. name] = load
    return t.wrong { selectors = { name } }
  end

  it('that throws while it loads', function()
    local message = wrong('broken', function()
      error 'boom'
    end)
    assert.truthy(message:find("^selector 'broken' does not load: .*boom"), message)
    assert.is_nil(message:find('\n', 1, true))
  end)

  it('that is no table, or another one', function()
    assert.truthy(wrong('text', function()
      return 'hello'
    end):find("selector 'text': .* must return a table"))
    assert.truthy(wrong('other_name', function()
      return { name = 'mine', selector = function() end }
    end):find("calls itself 'mine'", 1, true))
  end)

  it('that is missing', function()
    assert.equal(
      "selector 'samplin' unknown; did you mean 'sampling'?",
      t.wrong { selectors = { { 'samplin', percent = 1 } } }
    )
  end)

  it('whose new() makes something else, or raises', function()
    t.plugin.register('loadbalance', {
      name = 'maker',
      new = function()
        return 7
      end,
    })
    assert.truthy(
      t.wrong({ loadbalance = 'maker' }):find("loadbalance 'maker': what new() made", 1, true)
    )
    t.plugin.register('loadbalance', {
      name = 'raiser',
      new = function()
        error 'boom'
      end,
    })
    assert.truthy(
      t.wrong({ loadbalance = 'raiser' }):find("^loadbalance 'raiser': new%(%) threw: .*boom")
    )
  end)

  it('with settings it does not take', function()
    assert.equal(
      "loadbalance 'p2c' takes no settings",
      t.wrong { loadbalance = { 'p2c', of = 'x' } }
    )
  end)
end)
