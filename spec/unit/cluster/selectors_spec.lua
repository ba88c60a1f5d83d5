-- SPDX-License-Identifier: MIT
require 'spec.support.c'
local support = require 'spec.support.cluster'

describe('selector', function()
  local t, node_of, nodes_of, conditions
  before_each(function()
    t = support.install()
    node_of = require 'perilune.cluster.node'
    nodes_of = require 'perilune.cluster.nodes'
    conditions = require 'perilune.cluster.condition'
  end)

  local function make(...)
    local list = {}
    for i, meta in ipairs { ... } do
      list[i] = node_of.new { address = ('10.0.0.%d:1'):format(i), weight = 100, meta = meta }
    end
    return nodes_of.new(list)
  end

  local function use(ref)
    local list = assert(require('perilune.cluster.selector').compile { ref })
    return list[1].select
  end

  local function names(nodes)
    local list = {}
    for i, node in ipairs(nodes) do
      list[i] = node.meta.name
    end
    return table.concat(list, ' ')
  end

  it('argument sends a value to the nodes that registered it', function()
    local nodes = make(
      { name = 'a', tenant = '1' },
      { name = 'b', tenant = '2' },
      { name = 'c', tenant = '2' }
    )
    local select = use { 'argument', of = 'arg.1.tenant', by = 'tenant' }
    assert.equal('b c', names(select(nil, { args = { { tenant = 2 } } }, nodes)))
    assert.equal('a b c', names(select(nil, { args = { 'none' } }, nodes)))
    assert.equal('', names(select(nil, { args = { { tenant = 3 } } }, nodes)))
    select = use { 'argument', by = 'tenant', map = { gold = '1' }, default = '2' }
    assert.equal('a', names(select(nil, { args = { 'gold' } }, nodes)))
    assert.equal('b c', names(select(nil, { args = { 'lead' } }, nodes)))
    assert.equal(
      "selector 'argument': by is required (string)",
      t.wrong { selectors = { { 'argument' } } }
    )
  end)

  describe('sampling', function()
    local function share(select, nodes, call_of)
      local sampled = {}
      for i = 1, 4000 do
        sampled[i] = select(nil, call_of(i), nodes)[1].meta.version == 'v2'
      end
      local count = 0
      for i = 1, 4000 do
        count = count + (sampled[i] and 1 or 0)
      end
      return count / 40, sampled
    end

    local function conf(percent, key)
      return { 'sampling', percent = percent, by = 'version', value = 'v2', key = key }
    end

    local function user(i)
      return { args = {}, attachments = { user = 'user' .. i } }
    end

    it('takes its share of the calls', function()
      local nodes = make({ version = 'v1' }, { version = 'v2' })
      for _, percent in ipairs { 0, 5, 50, 100 } do
        local got = share(use(conf(percent)), nodes, user)
        assert.is_true(math.abs(got - percent) < 3, tostring(got))
      end
    end)

    it('is stable by key, and grows without losing anybody', function()
      local nodes = make({ version = 'v1' }, { version = 'v2' })
      local got, few = share(use(conf(10, 'attachment.user')), nodes, user)
      assert.is_true(math.abs(got - 10) < 2)
      local _, again = share(use(conf(10, 'attachment.user')), nodes, user)
      assert.same(few, again)
      local _, more = share(use(conf(30, 'attachment.user')), nodes, user)
      for i = 1, 4000 do
        assert.is_true(more[i] or not few[i])
      end
    end)

    it('sends everybody somewhere while one side has no node', function()
      local select = use(conf(50))
      for _ = 1, 50 do
        assert.equal(1, #select(nil, user(1), make { version = 'v1' }))
        assert.equal(1, #select(nil, user(1), make { version = 'v2' }))
      end
    end)
  end)

  it('region_first stays at home while it can', function()
    local select = use { 'region_first', region = 'eu', zone = 'eu1', min = 2 }
    local a, b =
      { name = 'a', region = 'eu', zone = 'eu1' }, { name = 'b', region = 'eu', zone = 'eu1' }
    local c, d = { name = 'c', region = 'eu', zone = 'eu2' }, { name = 'd', region = 'us' }
    assert.equal('a b', names(select(nil, {}, make(a, b, c, d))))
    assert.equal('a c', names(select(nil, {}, make(a, c, d))))
    assert.equal('a d', names(select(nil, {}, make(a, d))))
    assert.equal('d', names(select(nil, {}, make(d))))
  end)

  describe('conditions', function()
    local nodes
    before_each(function()
      nodes = make(
        { name = 'a', version = 'v1', zone = 'x', shard = '1' },
        { name = 'b', version = 'v2', zone = 'x', shard = '2' },
        { name = 'c', version = 'v2', zone = 'y', shard = '3' }
      )
    end)

    local function chosen(rules, call)
      local found, message = use { 'conditions', rules = rules }(nil, call or {}, nodes)
      return found and names(found) or message
    end

    it('narrow by what the call says, one rule after the other', function()
      local rules = {
        {
          when = { 'and', { '==', 'method', 'pay' }, { '>=', 'arg.1.amount', 100 } },
          use = { '==', 'node.version', 'v2' },
        },
        { when = { 'exists', 'attachment.near' }, use = { '==', 'node.zone', 'x' } },
      }
      local function pay(amount, near)
        return { method = 'pay', args = { { amount = amount } }, attachments = { near = near } }
      end
      assert.equal('a b c', chosen(rules, pay(99)))
      assert.equal('b c', chosen(rules, pay(100)))
      assert.equal('b c', chosen(rules, pay '1000'))
      assert.equal('b', chosen(rules, pay(100, true)))
      assert.equal('a b', chosen(rules, pay(1, true)))
    end)

    it('compare nodes with the call', function()
      local rules = { { use = { '==', 'node.shard', { of = 'arg.1' } } } }
      assert.equal('b', chosen(rules, { args = { 2 } }))
      assert.equal('', chosen(rules, { args = { 7 } }))
    end)

    it('know none, all and error', function()
      local rule = { use = { '==', 'node.zone', 'z' } }
      assert.equal('', chosen { rule })
      rule.otherwise = 'all'
      assert.equal('a b c', chosen { rule })
      rule.otherwise = 'error'
      assert.equal("selector 'conditions': no node for rule 1", chosen { rule })
    end)

    it('look at nodes once per list, not per call', function()
      local looks = 0
      local meta = setmetatable({}, {
        __index = function()
          looks = looks + 1
          return 'x'
        end,
      })
      local list = {}
      for i = 1, 50 do
        list[i] = node_of.new { address = i .. ':1', meta = meta }
      end
      local many = nodes_of.new(list)
      local select = use { 'conditions', rules = { { use = { '==', 'node.zone', 'x' } } } }
      for _ = 1, 10 do
        assert.equal(50, #select(nil, {}, many))
      end
      assert.equal(50, looks)
    end)

    local function holds(expr, call, node)
      return assert(conditions.compile(expr)).test(nil, call or {}, node)
    end

    it('know and, or, not, in, match, order and networks', function()
      local call = { method = 'get', args = { 5, 'test-7' }, attachments = { tier = 'gold' } }
      for _, expr in ipairs {
        { '==', 'arg.1', 5 },
        { '==', 'arg.1', '5' },
        { '~=', 'arg.1', 6 },
        { '~=', 'arg.9', 6 },
        { '<', 'arg.1', 10 },
        { '<=', 'arg.1', 5 },
        { '>', 'arg.1', 4 },
        { 'in', 'attachment.tier', { 'gold', 'silver' } },
        { 'match', 'arg.2', '^test%-%d$' },
        { 'exists', 'attachment.tier' },
        { 'not', { 'exists', 'attachment.other' } },
        { 'or', { '==', 'arg.1', 1 }, { '==', 'method', 'get' } },
        { 'and', { '==', 'arg.1', 5 }, { 'not', { 'in', 'arg.1', { 6, 7 } } } },
      } do
        assert.is_true(holds(expr, call), expr[1])
        assert.is_false(holds({ 'not', expr }, call), expr[1])
      end
      -- Numbers are compared as numbers, and what is missing fulfils nothing: not as the seed did.
      assert.is_false(holds({ '>', 'arg.1', 10 }, { args = { 9 } }))
      assert.is_false(holds({ '<', 'arg.1', 10 }, { args = {} }))
      assert.is_false(holds({ '==', 'arg.1.a.b', 1 }, { args = { 'text' } }))
      local node = node_of.new { address = '10.1.2.3:22000', meta = {} }
      assert.is_true(holds({ 'ip', 'node.address', { '192.168.0.1', '10.0.0.0/8' } }, nil, node))
      assert.is_true(holds({ 'ip', 'node.address', { '10.1.2.3' } }, nil, node))
      assert.is_false(holds({ 'ip', 'node.address', { '10.1.3.0/24' } }, nil, node))
      local named = node_of.new { address = 'host:1', meta = {} }
      assert.is_false(holds({ 'ip', 'node.address', { '0.0.0.0/0' } }, nil, named))
    end)

    it('say what is wrong and where', function()
      local function wrong(rules)
        return (t.wrong { selectors = { { 'conditions', rules = rules } } } or 'nothing'):gsub(
          "^selector 'conditions': ",
          ''
        )
      end
      local some = { '==', 'node.zone', 'x' }
      for message, rules in pairs {
        ["rules[1].when[2]: no operator 'an'; did you mean 'and'?"] = {
          { when = { 'and', { 'an', 1 } }, use = some },
        },
        ['rules[1].use: looks at no node'] = { { use = { '==', 'method', 'x' } } },
        ['rules[1].when: looks at a node; put that into use'] = { { when = some, use = some } },
        ["rules[1].use: a condition is a table like { '==', 'arg.1', 7 }, got a nil"] = { {} },
        ["rules[2]: unknown field 'us'; known: otherwise, use, when"] = {
          { use = some },
          { us = 1 },
        },
        ["rules[1].use: '>' compares numbers, got 'v2'"] = {
          { use = { '>', 'node.version', 'v2' } },
        },
        ["rules[1].use: 'in' needs a list of values"] = { { use = { 'in', 'node.zone', 'x' } } },
        ["rules[1].use: 'and' needs at least one condition"] = { { use = { 'and' } } },
        ["rules[1].use[3][2]: 'not' needs one condition"] = {
          { use = { 'or', some, { 'not', { 'not' } } } },
        },
        ["rules[1].use: 'match' needs a Lua pattern, got '%'"] = {
          { use = { 'match', 'node.zone', '%' } },
        },
        ["rules[1].use: '10.0.0.0/' is no IPv4 address or network like 10.0.0.0/8"] = {
          { use = { 'ip', 'node.address', { '10.0.0.0/' } } },
        },
        ["rules[1].use: '300.0.0.1' is no IPv4 address or network like 10.0.0.0/8"] = {
          { use = { 'ip', 'node.address', { '300.0.0.1' } } },
        },
      } do
        assert.equal(message, (wrong(rules)))
      end
      local message = wrong { { use = { '==', 'zone', 'x' } } }
      assert.truthy(message:find("'zone' is none of method, interface, alias, arg.N", 1, true))
    end)
  end)

  describe('that breaks its contract', function()
    local function with(select)
      t.serve 'a:1'
      t.plugin.register('selector', 'odd', select)
      local cluster = t.open { url = t.urls 'a:1', selectors = { 'odd' } }
      local ok, answer = pcall(t.call, cluster)
      return tostring(ok and (answer.err or answer.result) or answer):match '^[^\n]*'
    end

    it('gives nothing', function()
      assert.equal(
        "INTERNAL: selector 'odd' must return nodes, got a nil; use nodes:filter or nodes:where",
        with(function() end)
      )
    end)

    it('gives a plain list', function()
      assert.truthy(with(function()
        return {}
      end):find("selector 'odd' must return nodes, got a table", 1, true))
    end)

    it('leaves no node, and says why', function()
      assert.equal(
        "NO_NODE: selector 'odd' left none of 1 nodes",
        with(function(_, _, nodes)
          return nodes:none()
        end)
      )
    end)

    it('gives its own reason', function()
      assert.equal(
        'NO_NODE: not today',
        with(function()
          return nil, 'not today'
        end)
      )
    end)
  end)
end)

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
