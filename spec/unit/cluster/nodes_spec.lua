-- SPDX-License-Identifier: MIT
require 'spec.support.c'
local fake = require 'spec.support.fake_core'

describe('cluster/nodes', function()
  local node_of, nodes_of, plugin
  before_each(function()
    fake.install()
    node_of = require 'perilune.cluster.node'
    nodes_of = require 'perilune.cluster.nodes'
    plugin = require 'perilune.plugin'
  end)

  local function make(n, fill)
    local list = {}
    for i = 1, n do
      local entry = { address = '10.0.0.' .. i .. ':1', weight = 100, meta = {} }
      if fill then
        fill(entry, i)
      end
      list[i] = node_of.new(entry)
    end
    return list
  end

  local function picker(name)
    local balance = plugin.use('loadbalance', name)
    return type(balance) == 'function' and balance or balance.pick
  end

  local function shares(nodes, rounds)
    local count = {}
    for _ = 1, rounds do
      local node = nodes:pick(nil, nil)
      count[node.address] = (count[node.address] or 0) + 1
    end
    return count
  end

  it('shows identity, meta and counters of a node and nothing else', function()
    local node = make(1, function(entry)
      entry.meta.version = 'v2'
      entry.weight = 7
    end)[1]
    assert.equal('10.0.0.1:1', node.id)
    assert.equal('10.0.0.1:1', tostring(node))
    assert.equal('v2', node.meta.version)
    assert.is_nil(node.meta.other)
    assert.equal(7, node.weight)
    assert.equal(0, node.active)
    assert.equal(0, node.errors)
    assert.equal(0, node.total)
    assert.equal('idle', node.state)
    assert.has_error(function()
      return node.latnecy
    end)
    assert.has_error(function()
      node.weigth = 1
    end)
  end)

  it('is a plain array with methods that cannot be written', function()
    local nodes = nodes_of.new(make(3))
    assert.equal(3, #nodes)
    assert.is_nil(nodes[4])
    local n = 0
    for _ in ipairs(nodes) do
      n = n + 1
    end
    assert.equal(3, n)
    assert.has_error(function()
      nodes[4] = 1
    end)
    assert.has_error(function()
      return nodes.pikc
    end)
    assert.has_error(function()
      nodes:pick()
    end)
  end)

  it('finds by meta, by function and by number, built once', function()
    local built = 0
    local nodes = nodes_of.new(make(10, function(entry, i)
      entry.meta.zone = i % 2 == 0 and 'a' or 'b'
      entry.meta.shard = tostring(i % 5)
    end))
    assert.equal(5, #nodes:where('zone', 'a'))
    assert.equal(2, #nodes:where('shard', 3))
    assert.equal(0, #nodes:where('zone', 'c'))
    local function by(node)
      built = built + 1
      return node.meta.zone
    end
    for _ = 1, 5 do
      assert.equal(5, #nodes:where(by, 'b'))
    end
    assert.equal(10, built)
    assert.equal(nodes:where('zone', 'a'), nodes:where('zone', 'a'))
    assert.equal(1, #nodes:where('zone', 'a'):where('shard', '2'))
    assert.equal('10.0.0.2:1', nodes:where('zone', 'a'):where('shard', '2')[1].address)
    assert.equal('10.0.0.3:1', nodes:where('id', '10.0.0.3:1')[1].id)
  end)

  it('filters, and gives itself when nothing was taken away', function()
    local nodes = nodes_of.new(make(4))
    local some = nodes:filter(function(node, arg)
      return node.address ~= arg
    end, '10.0.0.1:1')
    assert.equal(3, #some)
    assert.equal(4, #nodes)
    assert.equal(
      nodes,
      nodes:filter(function()
        return true
      end)
    )
  end)

  it('finds the minimum of counters and of meta numbers', function()
    local list = make(3, function(entry, i)
      entry.meta.cost = 10 - i
      entry.weight = 10 + i
    end)
    local nodes = nodes_of.new(list)
    assert.equal(list[3], nodes:min 'cost')
    assert.equal(list[1], nodes:min 'weight')
    list[1]._c.active, list[2]._c.active, list[3]._c.active = 2, 1, 3
    assert.equal(list[2], nodes:min 'active')
    list[1]._c.active, list[2]._c.active, list[3]._c.active = 0, 0, 0
    assert.is_nil(nodes:none():min 'active')
  end)

  it('has no node to give where there is none', function()
    local some = nodes_of.new(make(2))
    local function nobody()
      return false
    end
    for _, none in ipairs { nodes_of.new {}, some:none(), some:filter(nobody) } do
      for _, kernel in ipairs { 'least', 'better_of_two', 'weighted' } do
        assert.is_nil(none[kernel](none), kernel)
      end
      assert.is_nil(none:min 'active')
      assert.is_nil(none:by_hash('key', 1.25))
      assert.is_nil(none[none:draw()])
    end
  end)

  it('finds a node by any scalar, and says what is wrong with a key that is none', function()
    local nodes = nodes_of.new(make(9))
    assert.equal(nodes:by_hash '7', (nodes:by_hash(7)))
    assert.equal(nodes:by_hash 'true', (nodes:by_hash(true)))
    assert.has_error(function()
      nodes:by_hash(nil)
    end, 'nodes:by_hash wants a key, got nil')
  end)

  it('does not keep for ever what is found by functions made for one call', function()
    local nodes, found = nodes_of.new(make(2)), setmetatable({}, { __mode = 'v' })
    for i = 1, 2000 do
      found[i] = nodes:where(function(node)
        return node.address
      end, '10.0.0.1:1')
      nodes:derived(function()
        return i
      end)
    end
    assert.equal(1, #found[2000])
    collectgarbage()
    collectgarbage()
    local kept = 0
    for _ in pairs(found) do
      kept = kept + 1
    end
    assert.is_true(kept < 300, kept)
  end)

  it('picks nothing from nothing', function()
    assert.is_nil(nodes_of.new({}, picker 'p2c'):pick())
  end)

  it('random_weight keeps the shares', function()
    local nodes = nodes_of.new(
      make(3, function(entry, i)
        entry.weight = i * 10
      end),
      picker 'random_weight'
    )
    local count = shares(nodes, 30000)
    for i = 1, 3 do
      local got = count['10.0.0.' .. i .. ':1']
      assert.is_true(math.abs(got - 5000 * i) < 400, tostring(got))
    end
  end)

  it('round_robin visits all in turn and starts anywhere', function()
    local starts = {}
    for _ = 1, 40 do
      local nodes = nodes_of.new(make(4), picker 'round_robin')
      starts[nodes:pick().address] = true
      local count = shares(nodes, 8)
      for _, n in pairs(count) do
        assert.equal(2, n)
      end
    end
    local different = 0
    for _ in pairs(starts) do
      different = different + 1
    end
    assert.is_true(different > 1)
  end)

  it('p2c leaves a slow node alone', function()
    local list = make(3)
    local nodes = nodes_of.new(list, picker 'p2c')
    local C = require 'perilune.ffi'
    local now = C.peri_counters_begin(list[1]._c)
    C.peri_counters_done(list[1]._c, now, false)
    for i, latency in ipairs { 2, 2, 90 } do
      list[i]._c.latency = 0
      C.peri_counters_sample(list[i]._c, now, latency, false)
    end
    local count = shares(nodes, 3000)
    assert.is_true((count['10.0.0.3:1'] or 0) < 10)
    assert.is_true(count['10.0.0.1:1'] > 1300 and count['10.0.0.2:1'] > 1300)
  end)

  it('touches no more of ten thousand nodes than of ten', function()
    local reads = 0
    local nodes = nodes_of.new(
      make(10000, function(entry, i)
        entry.meta.zone = 'z' .. i % 2
      end),
      picker 'p2c'
    )
    local function by(node)
      reads = reads + 1
      return node.meta.zone
    end
    nodes:where(by, 'z1')
    assert.equal(10000, reads)
    for _ = 1, 100 do
      assert.equal('z1', nodes:where(by, 'z1'):pick().meta.zone)
    end
    assert.equal(10000, reads)
  end)

  describe('selector', function()
    local selectors
    before_each(function()
      selectors = require 'perilune.cluster.selector'
    end)

    local function zoned()
      return nodes_of.new(make(4, function(entry, i)
        entry.meta.tag = i <= 3 and 'blue' or nil
      end))
    end

    it('tag narrows by attachment and leaves calls without one alone', function()
      local list = assert(selectors.compile { 'tag' })
      local select, nodes = list[1].select, zoned()
      assert.equal(4, #select(nil, {}, nodes))
      assert.equal(3, #select(nil, { attachments = { tag = 'blue' } }, nodes))
      assert.equal(0, #select(nil, { attachments = { tag = 'red' } }, nodes))
    end)

    it('knows none, all and error', function()
      local call, nodes = { attachments = { tag = 'red' } }, zoned()
      assert.equal(
        4,
        #assert(selectors.compile { { 'tag', otherwise = 'all' } })[1].select(nil, call, nodes)
      )
      local found, message =
        assert(selectors.compile { { 'tag', otherwise = 'error' } })[1].select(nil, call, nodes)
      assert.is_nil(found)
      assert.equal("selector 'tag': no node for 'red'", message)
    end)

    it('takes functions and rules given in place, and checks what they return', function()
      local rule = {
        by = function(node)
          return node.meta.tag or 'none'
        end,
        want = function()
          return 'none'
        end,
      }
      local list = assert(selectors.compile {
        rule,
        function(_, _, nodes)
          return nodes:filter(function()
            return true
          end)
        end,
        function()
          return {}
        end,
      })
      local nodes = zoned()
      assert.equal(1, #list[1].select(nil, {}, nodes))
      assert.equal(nodes, list[2].select(nil, {}, nodes))
      local _, err = pcall(list[3].select, nil, {}, nodes)
      assert.equal(
        "selector 'inline' must return nodes, got a table; use nodes:filter or nodes:where",
        err.message
      )
    end)

    it('names an unknown selector', function()
      local list, message = selectors.compile { 'tga' }
      assert.is_nil(list)
      assert.equal("selector 'tga' unknown; did you mean 'tag'?", message)
    end)
  end)

  describe('candidate', function()
    it('gives each worker its subset, moves little, keeps small groups', function()
      local subset = plugin.use('candidate', 'subset')
      local entries = {}
      for i = 1, 1000 do
        entries[i] =
          { address = ('n%d:1'):format(i), meta = { version = i == 500 and 'v2' or 'v1' } }
      end
      local function choose(chooser, list)
        local set, n = {}, 0
        local chosen = subset.choose(list or entries, {
          connections = 20,
          ranked = function(given)
            local C = require 'perilune.ffi'
            local sorted = { unpack(given) }
            local function rank(entry)
              return entry.address == 'n1:1' and -1 or C.peri_node_rank(entry.address, chooser)
            end
            table.sort(sorted, function(x, y)
              return rank(x) > rank(y)
            end)
            return sorted
          end,
          groups = function(entry)
            return { entry.meta.version }
          end,
        })
        for _, entry in ipairs(chosen) do
          set[entry.address] = true
          n = n + 1
        end
        return set, n
      end
      local a, n = choose(0.25)
      assert.equal(20, n)
      assert.is_true(a['n500:1'])
      assert.is_nil(a['n1:1'])
      local b = choose(0.75)
      local common = 0
      for address in pairs(a) do
        common = common + (b[address] and 1 or 0)
      end
      assert.is_true(common < 5)
      local fewer = {}
      for i = 1, 990 do
        fewer[i] = entries[i]
      end
      local after = choose(0.25, fewer)
      local kept = 0
      for address in pairs(a) do
        kept = kept + (after[address] and 1 or 0)
      end
      assert.is_true(kept >= 18)
    end)
  end)
end)
