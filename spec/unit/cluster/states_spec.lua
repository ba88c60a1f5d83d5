-- SPDX-License-Identifier: MIT
require 'spec.support.c'
local support = require 'spec.support.cluster'

describe('slow start', function()
  local t
  before_each(function()
    t = support.install()
    t.wall = 1e12
    t.core.walltime = function()
      return t.wall + t.core.clock()
    end
  end)

  local function weights(cluster)
    local list = {}
    for i, node in ipairs(cluster:all_nodes()) do
      list[i] = node.weight
    end
    return list
  end

  local function up_for(ms)
    return ('%d'):format(t.core.walltime() - ms)
  end

  local function open(urls, conf)
    return t.open { url = t.urls(urls), slow_start = conf or { 'linear', duration = 10000 } }
  end

  -- The seed gave weight 0 to whoever had been up for longer than the duration.
  it('gives an old provider all its weight at once, and a new one a growing part', function()
    t.serve 'old:1'
    t.serve 'new:1'
    local cluster = open(('old:1?start_time=%s new:1?start_time=%s'):format(up_for(3e9), up_for(0)))
    assert.same({ 100, 5 }, weights(cluster))
    local last = 5
    for _ = 1, 9 do
      t.core.pass(1000)
      local now = weights(cluster)
      assert.equal(100, now[1])
      assert.is_true(now[2] > last and now[2] < 100, tostring(now[2]))
      last = now[2]
    end
    t.core.pass(2000)
    assert.same({ 100, 100 }, weights(cluster))
  end)

  it('is not held back by a clock that is ahead, nor by one that says nothing', function()
    t.serve 'ahead:1'
    t.serve 'silent:1'
    local cluster = open(('ahead:1?start_time=%s silent:1'):format(up_for(-3600000)))
    assert.same({ 5, 100 }, weights(cluster))
    t.core.pass(11000)
    assert.same({ 100, 100 }, weights(cluster))
  end)

  it('takes who comes later without saying its age as new', function()
    t.serve 'a:1'
    t.serve 'b:1'
    local cluster = open 'a:1'
    local entries =
      { cluster.entries[1], assert(require('perilune.cluster.url').entry 'joyrpc://b:1') }
    cluster:update(entries)
    t.core.pass(50)
    assert.same({ 100, 5 }, weights(cluster))
    cluster:update(entries)
    assert.same({ 100, 5 }, weights(cluster))
    t.core.pass(11000)
    assert.same({ 100, 100 }, weights(cluster))
  end)

  it('believes what the session says, and starts over when the provider does', function()
    t.serve 'a:1'
    local session, began = t.core.session, t.core.walltime() - 1e6
    t.core.session = function(...)
      local result = session(...)
      result.remote_start = began
      return result
    end
    local cluster = open 'a:1'
    assert.same({ 100 }, weights(cluster))
    began = t.core.walltime()
    t.core.hang_up 'a:1'
    t.core.pass(400)
    assert.is_true(weights(cluster)[1] < 20)
  end)

  it('leaves weight 0 alone and gives everybody else at least 1', function()
    t.serve 'a:1'
    t.serve 'b:1'
    local cluster =
      open(('a:1?weight=0&start_time=%s b:1?weight=3&start_time=%s'):format(up_for(0), up_for(0)))
    assert.same({ 0, 1 }, weights(cluster))
  end)

  it('is a point of its own', function()
    t.serve 'a:1'
    t.plugin.register('slow_start', 'half', function(age, weight)
      return age < 1000 and weight / 2 or weight
    end)
    local cluster = open(('a:1?start_time=%s'):format(up_for(0)), 'half')
    assert.same({ 50 }, weights(cluster))
    t.core.pass(2000)
    assert.same({ 100 }, weights(cluster))
    assert.equal(
      "slow_start 'linaer' unknown; did you mean 'linear'?",
      t.wrong { slow_start = 'linaer' }
    )
    assert.equal(
      "slow_start 'linear': from must be number from 0 to 1, got 2",
      t.wrong { slow_start = { 'linear', from = 2 } }
    )
  end)

  it('costs nothing where it was not asked for', function()
    t.serve 'a:1'
    local cluster = t.open { url = t.urls(('a:1?start_time=%s'):format(up_for(0))) }
    assert.same({ 100 }, weights(cluster))
    assert.is_nil(cluster.slow_start)
  end)
end)

describe('ejection', function()
  local t, C, ffi
  before_each(function()
    t = support.install()
    C, ffi = require 'perilune.ffi', require 'ffi'
  end)

  local function ready(cluster)
    local list = {}
    for i, node in ipairs(cluster.ready_nodes) do
      list[i] = node.address
    end
    return table.concat(list, ' ')
  end

  local serial = 0
  -- Addresses that no spec before has ejected, the first of which fails.
  local function open(conf, n)
    serial = serial + 1
    local urls = {}
    for i = 1, n or 4 do
      urls[i] = ('e%d.%d:1'):format(serial, i)
      t.serve(urls[i])
    end
    t.bad = urls[1]
    t.core.servers[t.bad].handler = t.failing('TIMEOUT', 'UNKNOWN')
    local cluster = t.open {
      url = t.urls(table.concat(urls, ' ')),
      ejection = conf,
      router = 'failfast',
      loadbalance = 'round_robin',
    }
    return cluster
  end

  local function calls(cluster, n)
    for _ = 1, n do
      t.call(cluster)
    end
  end

  it('leaves out a node after failures in a row, and longer each time', function()
    local cluster = open { consecutive = 3, time = 10000, max_time = 25000 }
    calls(cluster, 8)
    assert.equal(4, #cluster.ready_nodes)
    calls(cluster, 4)
    assert.equal(3, #cluster.ready_nodes)
    assert.is_nil(ready(cluster):find(t.bad, 1, true))
    local before = t.calls()[t.bad]
    calls(cluster, 20)
    assert.equal(before, t.calls()[t.bad])
    assert.truthy(table.concat(t.core.logs, '\n'):find('EJECTION ' .. t.bad, 1, true))
    for _, wanted in ipairs { 10000, 20000, 25000, 25000 } do
      t.core.pass(wanted - 1500)
      assert.equal(3, #cluster.ready_nodes, wanted)
      t.core.pass(2500)
      assert.equal(4, #cluster.ready_nodes, wanted)
      calls(cluster, 12)
      assert.equal(3, #cluster.ready_nodes, wanted)
    end
  end)

  it('forgets a streak at every success, and what was long ago', function()
    local cluster = open { consecutive = 3, ratio = 0, time = 1000 }
    local good = false
    t.core.servers[t.bad].handler = function()
      good = not good
      if good then
        return true, 'good'
      end
      return false, 'TIMEOUT', 'bad', 'UNKNOWN'
    end
    calls(cluster, 80)
    assert.equal(4, #cluster.ready_nodes)
    t.core.servers[t.bad].handler = t.failing('TIMEOUT', 'UNKNOWN')
    for _ = 1, 3 do
      calls(cluster, 12)
      assert.equal(3, #cluster.ready_nodes)
      t.core.pass(30000)
      assert.equal(4, #cluster.ready_nodes)
    end
    calls(cluster, 12)
    t.core.pass(1600) -- the first again
    assert.equal(4, #cluster.ready_nodes)
  end)

  it('leaves out a node by its ratio of failures', function()
    local cluster = open { consecutive = 0, ratio = 0.5, minimum = 10 }
    local n = 0
    t.core.servers[t.bad].handler = function()
      n = n + 1
      if n % 5 < 2 then
        return true, 'good'
      end
      return false, 'UNAVAILABLE', 'bad', 'REFUSED'
    end
    calls(cluster, 36)
    assert.equal(4, #cluster.ready_nodes)
    calls(cluster, 12)
    assert.equal(3, #cluster.ready_nodes)
  end)

  it('does not blame a node for what the handler says', function()
    local cluster = open { consecutive = 2 }
    t.core.servers[t.bad].handler = t.failing('FORBIDDEN', 'UNKNOWN')
    calls(cluster, 40)
    assert.equal(4, #cluster.ready_nodes)
  end)

  it('never leaves out more than its share, and never the last node', function()
    local cluster = open({ consecutive = 2, share = 0.5 }, 4)
    for _, server in pairs(t.core.servers) do
      server.handler = t.failing('TIMEOUT', 'UNKNOWN')
    end
    calls(cluster, 60)
    assert.equal(2, #cluster.ready_nodes)
    cluster = open({ consecutive = 2, share = 1 }, 1)
    calls(cluster, 20)
    assert.equal(1, #cluster.ready_nodes)
    cluster = open({ consecutive = 1, share = 1 }, 3)
    for _, server in pairs(t.core.servers) do
      server.handler = t.failing('TIMEOUT', 'UNKNOWN')
    end
    calls(cluster, 20)
    assert.equal(1, #cluster.ready_nodes)
    cluster = open({ consecutive = 2, share = 0 }, 2)
    calls(cluster, 20)
    assert.equal(1, #cluster.ready_nodes)
  end)

  it('takes over what another cluster or worker of the process noticed', function()
    local cluster = open { consecutive = 100, ratio = 0, time = 5000 }
    local other = C.peri_counters_new(t.bad)
    other.watched = true
    local rules = ffi.new 'peri_outlier'
    rules.consecutive, rules.time, rules.max_time, rules.window = 2, 5000, 5000, 1000
    for _ = 1, 2 do
      C.peri_counters_done(other, C.peri_counters_begin(other), true)
    end
    assert.is_true(C.peri_node_judge(other.node, rules, t.core.clock()) > 0)
    assert.equal(4, #cluster.ready_nodes)
    t.core.pass(600)
    assert.equal(3, #cluster.ready_nodes)
    t.core.pass(6000)
    assert.equal(4, #cluster.ready_nodes)
    C.peri_counters_free(other)
  end)

  it('makes no list anew while more nodes fail than may be left out', function()
    local cluster = open({ consecutive = 2, share = 0.3, time = 60000 }, 4)
    for _, node in ipairs(cluster:all_nodes()) do
      local other = C.peri_counters_new(node.address)
      other.watched = true
      local rules = ffi.new 'peri_outlier'
      rules.consecutive, rules.time, rules.max_time, rules.window = 1, 60000, 60000, 1000
      C.peri_counters_done(other, C.peri_counters_begin(other), true)
      assert.is_true(C.peri_node_judge(other.node, rules, t.core.clock()) > 0)
      C.peri_counters_free(other)
    end
    t.core.pass(600)
    local nodes = cluster.ready_nodes
    assert.equal(3, #nodes)
    t.core.pass(2000)
    assert.equal(nodes, cluster.ready_nodes)
  end)

  it('publishes what it does', function()
    local events = require 'perilune.events'
    local heard = {}
    events.on('node.*', function(event)
      if event.name ~= 'node.state' then
        table.insert(heard, event.name .. ' ' .. event.address)
      end
    end)
    local cluster = open { consecutive = 2, time = 1000 }
    calls(cluster, 12)
    t.core.pass(2000)
    assert.same({ 'node.ejected ' .. t.bad, 'node.restored ' .. t.bad }, heard)
  end)

  it('says what is wrong with its settings', function()
    assert.equal('ejection must be true or a table, got a number', t.wrong { ejection = 3 })
    assert.equal(
      "unknown setting 'ejection.consecutve'; did you mean 'consecutive'?",
      t.wrong { ejection = { consecutve = 3 } }
    )
    assert.is_nil(t.wrong { ejection = true })
  end)
end)
