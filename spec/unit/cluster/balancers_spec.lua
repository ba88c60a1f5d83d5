-- SPDX-License-Identifier: MIT
require 'spec.support.c'
local support = require 'spec.support.cluster'

describe('balancer', function()
  local t, node_of, nodes_of, C
  before_each(function()
    t = support.install()
    node_of = require 'perilune.cluster.node'
    nodes_of = require 'perilune.cluster.nodes'
    C = require 'perilune.ffi'
  end)

  local function make(n, fill)
    local list = {}
    for i = 1, n do
      local entry = { address = ('10.0.%d.%d:1'):format(i / 256, i % 256), weight = 100, meta = {} }
      if fill then
        fill(entry, i)
      end
      list[i] = node_of.new(entry)
      rawset(list[i], '_link', { state = 'ready' })
    end
    return list
  end

  local function use(ref)
    local instance, message = t.plugin.use('loadbalance', ref)
    assert(instance, message)
    return type(instance) == 'function' and { pick = instance } or instance
  end

  local function keyed(key)
    return { args = { key, n = 1 }, method = 'hello' }
  end

  describe('least_active', function()
    it('takes the fewest in flight for the weight, equals by weight', function()
      local list = make(3, function(entry, i)
        entry.weight = i == 3 and 300 or 100
      end)
      local balancer, nodes = use 'least_active', nodes_of.new(list)
      list[1]._c.active, list[2]._c.active, list[3]._c.active = 1, 2, 2
      assert.equal(list[3], balancer.pick(nil, nil, nodes))
      list[3]._c.active = 9
      assert.equal(list[1], balancer.pick(nil, nil, nodes))
      -- Idle nodes are equal: the heaviest must not get all that comes one after the other.
      list[1]._c.active, list[2]._c.active, list[3]._c.active = 0, 0, 0
      local count = { [list[1]] = 0, [list[2]] = 0, [list[3]] = 0 }
      for _ = 1, 5000 do
        local node = balancer.pick(nil, nil, nodes)
        count[node] = count[node] + 1
      end
      for i = 1, 3 do
        assert.is_true(math.abs(count[list[i]] - (i == 3 and 3000 or 1000)) < 200)
      end
    end)

    it('gives a node of weight 0 nothing while there is another', function()
      local list = make(3, function(entry, i)
        entry.weight = i == 2 and 100 or 0
      end)
      local balancer, nodes = use 'least_active', nodes_of.new(list)
      list[2]._c.active = 5
      for _ = 1, 50 do
        assert.equal(list[2], balancer.pick(nil, nil, nodes))
      end
    end)

    it('shares calls among nodes none of which has any weight', function()
      local list = make(3, function(entry)
        entry.weight = 0
      end)
      local balancer, nodes = use 'least_active', nodes_of.new(list)
      list[1]._c.active, list[2]._c.active = 3, 1
      assert.equal(list[3], balancer.pick(nil, nil, nodes))
      list[3]._c.active = 1
      local count = { [list[1]] = 0, [list[2]] = 0, [list[3]] = 0 }
      for _ = 1, 1000 do
        local node = balancer.pick(nil, nil, nodes)
        count[node] = count[node] + 1
      end
      assert.equal(0, count[list[1]])
      assert.is_true(math.abs(count[list[2]] - 500) < 100)
    end)

    it('draws a sample of many', function()
      local list = make(2000)
      local nodes = nodes_of.new(list)
      for i = 1, 1000 do
        list[i]._c.active = 1
      end
      local balancer = use { 'least_active', sample = 8 }
      local idle = 0
      for _ = 1, 1000 do
        idle = idle + (balancer.pick(nil, nil, nodes).active == 0 and 1 or 0)
      end
      assert.is_true(idle > 980)
    end)
  end)

  describe('adaptive', function()
    -- Ten calls to each, with the latency and the failures that `outcome(i)` gives.
    local function work(list, outcome)
      for i, node in ipairs(list) do
        local latency, failures = outcome(i)
        node._c.calls = node._c.calls + 10
        node._c.errors = node._c.errors + (failures or 0)
        node._c.latency = latency
      end
    end

    local function shares(balancer, nodes)
      local count = {}
      for _ = 1, 1000 do
        local address = balancer.pick(nil, nil, nodes).address
        count[address] = (count[address] or 0) + 1
      end
      return function(i)
        return count[nodes[i].address] or 0
      end
    end

    local function begin(conf)
      local list = make(4, function(entry, i)
        entry.meta = { region = i == 4 and 'us' or 'eu' }
      end)
      local balancer, nodes = use(conf or 'adaptive'), nodes_of.new(list)
      local share = shares(balancer, nodes) -- nothing is known yet
      t.core.pass(1000)
      return list, balancer, nodes, share
    end

    it('gives nodes that do alike the same', function()
      local list, balancer, nodes, share = begin()
      for _ = 1, 2 do
        for i = 1, 4 do
          assert.is_true(math.abs(share(i) - 250) < 70, share(i))
        end
        work(list, function()
          return 20
        end)
        share = shares(balancer, nodes)
      end
    end)

    for what, outcome in pairs {
      ['much slower than usual'] = function(i)
        return i == 2 and 50 or 20
      end,
      ['that fails much more often'] = function(i)
        return 20, i == 2 and 1 or 0
      end,
    } do
      it('leaves out a node ' .. what .. ', and lets it come back slowly', function()
        local list, balancer, nodes = begin()
        work(list, outcome)
        assert.equal(0, shares(balancer, nodes)(2))
        t.core.pass(1000)
        work(list, function()
          return 20
        end)
        local little = shares(balancer, nodes)(2)
        assert.is_true(little > 0 and little < 100, little)
        t.core.pass(5000)
        local more = shares(balancer, nodes)(2)
        assert.is_true(more > little and more < 240, more)
        t.core.pass(6000)
        assert.is_true(shares(balancer, nodes)(2) > 180)
      end)
    end

    it('judges filtered lists by all, and takes what there is', function()
      local list, balancer, nodes = begin()
      work(list, function(i)
        return i == 2 and 50 or 20
      end)
      local pair = nodes:filter(function(node)
        return node == list[2] or node == list[3]
      end)
      assert.equal(list[3], balancer.pick(nil, nil, pair))
      local only = nodes:filter(function(node)
        return node == list[2]
      end)
      assert.equal(list[2], balancer.pick(nil, nil, only))
    end)

    it('prefers the own region', function()
      local list, balancer, nodes = begin { 'adaptive', region = 'eu' }
      work(list, function()
        return 20
      end)
      local share = shares(balancer, nodes)
      assert.is_true(share(4) < 50 and share(1) > 250, share(4))
    end)
  end)

  describe('consistent_hash', function()
    local function owners(balancer, nodes, n)
      local map = {}
      for i = 1, n do
        map[i] = balancer.pick(nil, keyed('user ' .. i), nodes)
      end
      return map
    end

    it('gives a key its node, whoever asks, and every node its keys', function()
      local list = make(10)
      local turned = {}
      for i = 1, 10 do
        turned[i] = list[11 - i]
      end
      local a = owners(use 'consistent_hash', nodes_of.new(list), 5000)
      local b = owners(use 'consistent_hash', nodes_of.new(turned), 5000)
      assert.same(a, b)
      local count = {}
      for _, node in ipairs(a) do
        count[node] = (count[node] or 0) + 1
      end
      for _, node in ipairs(list) do
        assert.is_true(count[node] > 300 and count[node] < 750, tostring(count[node]))
      end
    end)

    it('moves the keys of a node that goes and no others', function()
      local list = make(10)
      local balancer = use 'consistent_hash'
      local before = owners(balancer, nodes_of.new(list), 2000)
      local gone = table.remove(list, 4)
      local after = owners(balancer, nodes_of.new(list), 2000)
      for i, node in ipairs(before) do
        if node ~= gone then
          assert.equal(node, after[i])
        end
      end
    end)

    it('keeps keys where they are when a call filters the nodes', function()
      local list = make(20)
      local nodes, balancer = nodes_of.new(list), use 'consistent_hash'
      local before = owners(balancer, nodes, 500)
      local some = nodes:filter(function(node)
        return node ~= list[7]
      end)
      local after = owners(balancer, some, 500)
      for i, node in ipairs(before) do
        assert.is_not.equal(list[7], after[i])
        if node ~= list[7] then
          assert.equal(node, after[i])
        end
      end
      assert.equal(list[3], balancer.pick(nil, keyed 'x', nodes:only(list[3])))
    end)

    it('bounds the load: a key that everybody asks for spreads', function()
      local list = make(10)
      local nodes, balancer = nodes_of.new(list), use { 'consistent_hash', bound = 1.25 }
      for _ = 1, 1000 do
        local c = balancer.pick(nil, keyed 'hot', nodes)._c
        c.active = c.active + 1
      end
      for _, node in ipairs(list) do
        assert.is_true(node.active <= 140, tostring(node.active))
      end
      for _, node in ipairs(list) do
        node._c.active = 0
      end
      local unbounded = use { 'consistent_hash', bound = 0 }
      for _ = 1, 100 do
        local c = unbounded.pick(nil, keyed 'hot', nodes)._c
        c.active = c.active + 1
      end
      assert.equal(100, unbounded.pick(nil, keyed 'hot', nodes).active)
    end)

    it('minds weights', function()
      local list = make(2, function(entry, i)
        entry.weight = i == 1 and 300 or 100
      end)
      local count = 0
      for _, node in ipairs(owners(use 'consistent_hash', nodes_of.new(list), 4000)) do
        count = count + (node == list[1] and 1 or 0)
      end
      assert.is_true(count > 2600 and count < 3400, tostring(count))
    end)

    it('takes the key from an attachment, a field or a function; without one any node', function()
      local nodes = nodes_of.new(make(50))
      local by_user = use { 'consistent_hash', key = 'attachment.user' }
      local by_field = use { 'consistent_hash', key = 'arg.2.user.id' }
      local by_function = use {
        'consistent_hash',
        key = function()
          return 'ann'
        end,
      }
      local call = { attachments = { user = 'ann' }, args = { 1, { user = { id = 'ann' } } } }
      local node = by_user.pick(nil, call, nodes)
      assert.equal(node, by_field.pick(nil, call, nodes))
      assert.equal(node, by_function.pick(nil, call, nodes))
      local seen = {}
      for _ = 1, 100 do
        seen[by_user.pick(nil, { args = {} }, nodes)] = true
      end
      local different = 0
      for _ in pairs(seen) do
        different = different + 1
      end
      assert.is_true(different > 10)
    end)

    it('takes a table for what it says', function()
      local nodes = nodes_of.new(make(50))
      local balancer = use { 'consistent_hash' }
      local different = {}
      for id = 1, 20 do
        local node = balancer.pick(nil, { args = { { id = id, list = { 1, 2 } } } }, nodes)
        assert.equal(node, balancer.pick(nil, { args = { { list = { 1, 2 }, id = id } } }, nodes))
        different[node] = true
      end
      assert.truthy(next(different, next(different)))
    end)

    it('says what is wrong with its settings', function()
      local function wrong(ref)
        return t.wrong { loadbalance = ref }
      end
      assert.equal(
        "loadbalance 'consistent_hash': bound must be 0 or above 1, got 0.5",
        wrong { 'consistent_hash', bound = 0.5 }
      )
      assert.truthy(
        wrong({ 'consistent_hash', key = 'arg.0' }):find('arguments have numbers', 1, true)
      )
      assert.truthy(
        wrong({ 'consistent_hash', key = 'node.id' }):find('nothing of the call', 1, true)
      )
      assert.truthy(wrong({ 'consistent_hash', key = 'user' }):find('attachment.NAME', 1, true))
    end)
  end)

  describe('weighted_round_robin', function()
    it('gives each its share of every stretch, evenly spread', function()
      local list = make(3, function(entry, i)
        entry.weight = ({ 5, 1, 2 })[i]
      end)
      local nodes, balancer = nodes_of.new(list), use 'weighted_round_robin'
      local picks, count, run, longest = {}, {}, 0, 0
      for i = 1, 800 do
        picks[i] = balancer.pick(nil, nil, nodes)
        count[picks[i]] = (count[picks[i]] or 0) + 1
        run = picks[i] == picks[i - 1] and run + 1 or 1
        longest = math.max(longest, run)
      end
      assert.is_true(math.abs(count[list[1]] - 500) <= 2)
      assert.is_true(math.abs(count[list[2]] - 100) <= 2)
      assert.is_true(math.abs(count[list[3]] - 200) <= 2)
      assert.is_true(longest <= 6, tostring(longest))
    end)

    it('goes on when the list changes, and leaves weight 0 alone', function()
      local list = make(4, function(entry, i)
        entry.weight = i == 4 and 0 or 100
      end)
      local balancer = use 'weighted_round_robin'
      local count = {}
      for i = 1, 3000 do
        local nodes = nodes_of.new(list) -- a new snapshot each time
        if i % 3 == 0 then
          nodes = nodes:filter(function(node)
            return node ~= list[1]
          end)
        end
        local node = balancer.pick(nil, nil, nodes)
        count[node] = (count[node] or 0) + 1
      end
      assert.is_nil(count[list[4]])
      for i = 1, 3 do
        assert.is_true(count[list[i]] > 900, tostring(count[list[i]]))
      end
      local alone = nodes_of.new { list[4] }
      assert.equal(list[4], balancer.pick(nil, nil, alone))
      assert.equal(
        list[4],
        balancer.pick(
          nil,
          nil,
          alone:filter(function()
            return true
          end)
        )
      )
    end)
  end)

  describe('sticky', function()
    it('stays with a node until it is gone or fails', function()
      local list = make(5)
      local nodes, balancer = nodes_of.new(list), use 'sticky'
      local first = balancer.pick(nil, nil, nodes)
      for _ = 1, 50 do
        assert.equal(first, balancer.pick(nil, nil, nodes))
      end
      local without = nodes:filter(function(node)
        return node ~= first
      end)
      local second = balancer.pick(nil, nil, without)
      assert.is_not.equal(first, second)
      assert.equal(second, balancer.pick(nil, nil, nodes))
      balancer.done(nil, nil, second, { code = 'FORBIDDEN' })
      assert.equal(second, balancer.pick(nil, nil, nodes))
      rawset(second, '_link', { state = 'down' })
      local third = balancer.pick(
        nil,
        nil,
        without:filter(function(node)
          return node ~= second
        end)
      )
      balancer.done(nil, nil, third, { code = 'TIMEOUT' })
      local seen = {}
      for _ = 1, 100 do
        local node = balancer.pick(nil, nil, nodes)
        seen[node] = true
        balancer.done(nil, nil, node, { code = 'TIMEOUT' })
      end
      local different = 0
      for _ in pairs(seen) do
        different = different + 1
      end
      assert.is_true(different > 1)
    end)

    it('builds upon any balancer and hands outcomes on', function()
      local told
      t.plugin.register('loadbalance', 'first', {
        pick = function(_, _, nodes)
          return nodes[1]
        end,
        done = function(_, _, node)
          told = node
        end,
      })
      t.serve 'a:1'
      t.serve 'b:1'
      local cluster = t.open { url = t.urls 'a:1 b:1', loadbalance = { 'sticky', of = 'first' } }
      for _ = 1, 5 do
        assert.equal('a:1', t.call(cluster).result)
      end
      assert.equal('a:1', told.address)
      assert.equal(
        "loadbalance 'sticky': loadbalance 'p2x' unknown; did you mean 'p2c'?",
        t.wrong { loadbalance = { 'sticky', of = 'p2x' } }
      )
    end)
  end)

  describe('local_first', function()
    it('prefers nodes of this host', function()
      local list = make(6, function(entry, i)
        entry.address = i > 4 and ('127.0.0.%d:1'):format(i) or ('203.0.113.%d:1'):format(i)
      end)
      local nodes, balancer = nodes_of.new(list), use { 'local_first', of = 'round_robin' }
      local seen = {}
      for _ = 1, 10 do
        seen[balancer.pick(nil, nil, nodes).address] = true
      end
      assert.same({ ['127.0.0.5:1'] = true, ['127.0.0.6:1'] = true }, seen)
      local far = nodes_of.new { list[1], list[2] }
      assert.is_not_nil(balancer.pick(nil, nil, far))
    end)

    it('knows which addresses are local', function()
      for _, address in ipairs { '127.0.0.1:1', '[::1]:80', 'localhost:1', '/run/x' } do
        assert.is_true(C.peri_node_is_local(address), address)
      end
      local far = { '203.0.113.1:1', '1270.0.0.1:1', 'localhost.example:1', '', '[2001:db8::1]:1' }
      for _, address in ipairs(far) do
        assert.is_false(C.peri_node_is_local(address), address)
      end
    end)
  end)

  it('random_weight keeps the shares among many, too', function()
    local nodes = nodes_of.new(make(200, function(entry, i)
      entry.weight = i <= 100 and 300 or 100
    end))
    local heavy = 0
    for _ = 1, 8000 do
      heavy = heavy + (nodes:weighted().weight == 300 and 1 or 0)
    end
    assert.is_true(math.abs(heavy - 6000) < 250, tostring(heavy))
  end)
end)
