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

  it('takes numbers for what they say: 64-bit ones, and those of many digits', function()
    local big, id = 9007199254740993LL, 1234567890123456
    local nodes = make({ name = 'a', shard = '1234567890123456' }, { name = 'b', shard = '7' }, {
      name = 'c',
      shard = '9007199254740993',
    }, { name = 'd', shard = '1234567890123457' })
    local function call_of(value)
      return { args = { value, n = 1 } }
    end
    local by = use { 'argument', by = 'shard', of = 'arg.1' }
    local map = use {
      'argument',
      by = 'shard',
      map = { ['9007199254740993'] = '7', ['1234567890123456'] = '7' },
    }
    local test = conditions.compile({ '==', 'arg.1', { of = 'node.shard' } }).test
    local wanted = { [id] = 1, [7] = 2, [7LL] = 2, [7ULL] = 2, [big] = 3, [id + 1] = 4 }
    for value, want in pairs(wanted) do
      assert.equal(nodes[want], by(nil, call_of(value), nodes)[1])
      for i, node in ipairs(nodes) do
        assert.equal(i == want, test(nil, call_of(value), node))
      end
      assert.equal(
        nodes:by_hash(nodes[want].meta.shard),
        nodes:by_hash(require('perilune.policy').text(value))
      )
    end
    assert.equal('b', names(map(nil, call_of(big), nodes)))
    assert.equal('b', names(map(nil, call_of(id), nodes)))
    test = conditions.compile({ 'in', 'arg.1', { id, 7 } }).test
    assert.is_true(test(nil, call_of '1234567890123456'))
    assert.is_true(test(nil, call_of(7LL)))
    assert.is_false(test(nil, call_of(id + 1)))
    assert.is_false(test(nil, call_of(false)))
    assert.is_true(conditions.compile({ '==', 'arg.1', false }).test(nil, call_of(false)))
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

    it('knows tables by what they say', function()
      local nodes = make({ version = 'v1' }, { version = 'v2' })
      local select = use(conf(50, 'arg.1'))
      local sides = {}
      for id = 1, 40 do
        local node = select(nil, { args = { { id = id, name = 'x' } } }, nodes)[1]
        assert.equal(node, select(nil, { args = { { name = 'x', id = id } } }, nodes)[1])
        sides[node] = true
      end
      assert.is_true(sides[nodes[1]] and sides[nodes[2]])
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
      local six = node_of.new { address = '[2001:db8::7]:22000', meta = {} }
      assert.is_true(holds({ 'ip', 'node.address', { '10.0.0.0/8', '2001:db8::/32' } }, nil, six))
      assert.is_false(holds({ 'ip', 'node.address', { '0.0.0.0/0', 'fd00::/8' } }, nil, six))
      local told = { attachments = { from = '10.1.2.3' } }
      assert.is_true(holds({ 'ip', 'attachment.from', { '10.1.2.0-10.1.2.9' } }, told))
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
        ["rules[1].use: 'match' needs a Lua pattern; 'a[' misses the ']' of a set"] = {
          { use = { 'match', 'node.zone', 'a[' } },
        },
        ["rules[1].use: '10.0.0.0/' is no address, network (10.0.0.0/8), range (a-b) or '*'"] = {
          { use = { 'ip', 'node.address', { '10.0.0.0/' } } },
        },
        ["rules[1].use: '300.0.0.1' is no address, network (10.0.0.0/8), range (a-b) or '*'"] = {
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
