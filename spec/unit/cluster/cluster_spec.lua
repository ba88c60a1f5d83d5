-- SPDX-License-Identifier: MIT
require 'spec.support.c'
local fake = require 'spec.support.fake_core'
local support = require 'spec.support.cluster'

describe('cluster/cluster', function()
  local t, core, clusters, plugin, connections
  local serve, open, call, failing
  before_each(function()
    t = support.install()
    core, plugin = t.core, t.plugin
    serve, open, call, failing = t.serve, t.begin, t.call_of, t.failing
    clusters = require 'perilune.cluster.cluster'
    connections = require 'perilune.cluster.connection'
  end)

  local function dispatch(cluster, fields, ms)
    local answer = t.call(cluster, fields, ms)
    return { answer.result, answer.err }
  end

  it('connects, makes a session, calls; the first call waits for readiness', function()
    serve 'a:1'
    local cluster = open { url = 'joyrpc://a:1' }
    assert.equal(0, #cluster.ready_nodes)
    assert.same({ 'a:1' }, dispatch(cluster))
    assert.equal(1, #cluster.ready_nodes)
    assert.equal('ready', cluster.ready_nodes[1].state)
    assert.equal(1, cluster.ready_nodes[1].calls)
    assert.equal(0, cluster.ready_nodes[1].active)
    assert.is_true(cluster.ready_nodes[1].latency > 0)
  end)

  it('fails at once where nobody is ready or about to be, when asked to', function()
    serve('a:1', { refuse = true })
    local began = core.clock()
    local cluster = open { url = 'joyrpc://a:1', wait_ready = false }
    local err = dispatch(cluster, nil, 60000)[2]
    assert.equal('NO_NODE', err.code)
    assert.is_true(core.clock() - began < 5000)
    core.servers['a:1'].refuse = nil
    core.pass(60000)
    assert.same({ 'a:1' }, dispatch(cluster))
  end)

  it('hands on the attachments of a failed reply, by the short way and the long one', function()
    serve('a:1', {
      handler = function()
        return false, 'NOT_FOUND', 'nothing', 'UNKNOWN', { why = 'gone' }
      end,
    })
    for _, router in ipairs {
      'failfast',
      function(ctx, c, nodes, send)
        return send(nodes:pick(ctx, c))
      end,
    } do
      local cluster = open { url = 'joyrpc://a:1', router = router }
      local ctx = fake.ctx(core)
      local err = core.run(function()
        return select(2, cluster:dispatch(ctx, call()))
      end)
      assert.equal('NOT_FOUND', err.code)
      assert.same({ why = 'gone' }, ctx.reply)
    end
  end)

  it('shares a connection and a session between refers, and closes it with the last', function()
    serve 'a:1'
    local one = open { interface = 'demo.X', url = 'joyrpc://a:1' }
    local two = open { interface = 'demo.X', url = 'joyrpc://a:1' }
    local other = open { interface = 'demo.Y', url = 'joyrpc://a:1' }
    for _, cluster in ipairs { one, two, other } do
      assert.equal('a:1', dispatch(cluster)[1])
    end
    assert.equal(1, core.connects['a:1'])
    assert.equal(2, core.servers['a:1'].sessions)
    one:close()
    two:close()
    core.pass(100)
    assert.is_not_nil(next(core.conns))
    other:close()
    core.pass(100)
    assert.is_nil(next(core.conns))
    assert.is_nil(next(connections.all()))
  end)

  it('says within the deadline why no node is there', function()
    local cluster = open { url = 'joyrpc://gone:1' }
    local err = dispatch(cluster, nil, 200)[2]
    assert.equal('NO_NODE', err.code)
    assert.equal('NOT_SENT', err.outcome)
    assert.truthy(err.message:find('gone:1: connection refused', 1, true))
    cluster:close()
  end)

  it('backs off exponentially with jitter up to a bound', function()
    for failures = 0, 40 do
      for _ = 1, 20 do
        local ms = connections.backoff(failures)
        assert.is_true(ms >= 0 and ms <= math.min(20000, 100 * 2 ^ failures))
      end
    end
    local heard = {}
    require('perilune.events').on('connection.*', function(event)
      table.insert(heard, event.name)
    end)
    local cluster = open { url = 'joyrpc://gone:1' }
    core.pass(60000)
    assert.same({ 'connection.down' }, heard)
    local tries = core.connects['gone:1']
    assert.is_true(tries > 5 and tries < 40, tostring(tries))
    serve 'gone:1'
    core.pass(21000)
    assert.equal('gone:1', dispatch(cluster)[1])
  end)

  it('negotiates once for many calls that lost the session', function()
    local server = serve 'a:1'
    local cluster = open { url = 'joyrpc://a:1', router = 'failfast' }
    dispatch(cluster)
    core.lose_sessions 'a:1'
    local good = 0
    for _ = 1, 10 do
      core.spawn(function()
        if cluster:dispatch(fake.ctx(core), call()) == 'a:1' then
          good = good + 1
        end
      end)
    end
    core.pass(100)
    assert.equal(10, good)
    assert.equal(2, server.sessions)
  end)

  it('sends no new call to a node that said goodbye, and lets those in flight finish', function()
    serve('a:1', { latency = 200 })
    serve 'b:1'
    local cluster = open { url = 'joyrpc://a:1,joyrpc://b:1', loadbalance = 'round_robin' }
    core.run(function()
      cluster:ready()
      core.sleep(10)
    end)
    assert.equal(2, #cluster.ready_nodes)
    local slow
    for _ = 1, 2 do
      core.spawn(function()
        local result = cluster:dispatch(fake.ctx(core), call())
        slow = result == 'a:1' and result or slow
      end)
    end
    core.pass(50)
    core.servers['a:1'].refuse = true
    core.drain 'a:1'
    core.pass(10)
    assert.equal(1, #cluster.ready_nodes)
    assert.equal('offline', cluster:all_nodes()[1].state)
    for _ = 1, 5 do
      assert.equal('b:1', dispatch(cluster)[1])
    end
    core.pass(300)
    assert.equal('a:1', slow)
    core.servers['a:1'].refuse = nil
    core.pass(30000)
    assert.equal(2, #cluster.ready_nodes)
  end)

  it('takes a node out when its connection closes and back when it returns', function()
    serve 'a:1'
    serve 'b:1'
    local cluster = open { url = 'joyrpc://a:1,joyrpc://b:1' }
    core.run(function()
      cluster:ready()
      core.sleep(10)
    end)
    local node = cluster:all_nodes()[1]
    core.servers['a:1'].refuse = true
    core.hang_up 'a:1'
    core.pass(5)
    assert.equal(1, #cluster.ready_nodes)
    assert.equal('b:1', cluster.ready_nodes[1].address)
    core.servers['a:1'].refuse = nil
    core.pass(25000)
    assert.equal(2, #cluster.ready_nodes)
    assert.equal(node, cluster.ready_nodes[1])
  end)

  it('waits a moment for a cluster that lost its last node, then fails at once', function()
    serve 'a:1'
    local cluster = open { url = 'joyrpc://a:1' }
    dispatch(cluster)
    core.hang_up 'a:1'
    core.pass(2)
    assert.same({ 'a:1' }, dispatch(cluster, nil, 5000))
    core.servers['a:1'].refuse = true
    core.hang_up 'a:1'
    core.pass(2000)
    local began = core.clock()
    assert.equal('NO_NODE', dispatch(cluster, nil, 5000)[2].code)
    assert.equal(began, core.clock())
  end)

  it('keeps counters over list changes, and the node while its meta stays', function()
    serve 'a:1'
    local cluster = open { url = 'joyrpc://a:1?version=v1' }
    dispatch(cluster)
    local node = cluster.ready_nodes[1]
    local urls = require 'perilune.cluster.url'
    cluster:update(assert(urls.entries 'joyrpc://a:1?version=v1&weight=5'))
    assert.equal(node, cluster.ready_nodes[1])
    assert.equal(5, node.weight)
    cluster:update(assert(urls.entries 'joyrpc://a:1?version=v2'))
    local newer = cluster.ready_nodes[1]
    assert.not_equal(node, newer)
    assert.equal('v1', node.meta.version)
    assert.equal('v2', newer.meta.version)
    assert.equal(1, newer.calls)
    assert.same({ 'a:1' }, dispatch(cluster))
    assert.equal(2, newer.calls)
    cluster:update {}
    assert.equal('closed', newer.state)
    assert.equal(0, #cluster.ready_nodes)
  end)

  it('says how many nodes are ready where more are wanted', function()
    serve 'r1:1'
    local cluster = open { url = 'joyrpc://r1:1' }
    local ok, err
    core.run(function()
      cluster:ready()
      ok, err = cluster:ready(10, 2)
    end)
    assert.is_nil(ok)
    assert.equal('NO_NODE', err.code)
    assert.matches('^1 of the 1 nodes of .* are ready, 2 are wanted$', err.message)
  end)

  it('connects to no more nodes than asked for', function()
    local list = {}
    for i = 1, 30 do
      serve('n' .. i .. ':1')
      list[i] = 'joyrpc://n' .. i .. ':1'
    end
    local cluster = open { url = list, connections = 5 }
    core.run(function()
      cluster:ready()
      core.sleep(10)
    end)
    assert.equal(5, #cluster.ready_nodes)
    local used = 0
    for _ in pairs(core.connects) do
      used = used + 1
    end
    assert.equal(5, used)
  end)

  it('replaces nodes it cannot reach by others', function()
    local list = {}
    for i = 1, 20 do
      serve('m' .. i .. ':1', { refuse = i <= 15 })
      list[i] = 'joyrpc://m' .. i .. ':1'
    end
    local cluster = open { url = list, connections = 5 }
    core.pass(60000)
    assert.equal(5, #cluster.ready_nodes)
    assert.is_truthy(next(cluster.suspects))
    cluster:update {} -- all of them are gone for good
    assert.is_nil(next(cluster.suspects))
    cluster:close()
  end)

  it('chooses among the newest list when it replaces a node', function()
    local list = {}
    for i = 1, 4 do
      serve('s' .. i .. ':1')
      list[i] = 'joyrpc://s' .. i .. ':1'
    end
    local urls = require 'perilune.cluster.url'
    local cluster = open { url = list, connections = 2 }
    core.pass(50)
    local _, link = next(cluster.links)
    core.servers[link.node.address].refuse = true
    link.state, link.failures = 'down', 3
    cluster:on_link(link)
    cluster:update(assert(urls.entries 'joyrpc://s1:1')) -- in the same turn
    core.pass(50)
    assert.equal(1, #cluster.entries)
    cluster:close()
  end)

  it('hides who is named in the addresses of all its registries', function()
    local cluster = open { registry = { 'memory://ada:hush@one', 'memory://ada:hush@two' } }
    local err = dispatch(cluster, nil, 50)[2]
    assert.equal('NO_NODE', err.code)
    assert.matches('in memory://%*%*%*@one, memory://%*%*%*@two$', err.message)
    cluster:close()
  end)

  it('gets a session when its authenticator presents something again', function()
    serve 'a:1'
    local how = 'throws'
    local function fresh()
      if how == 'throws' then
        error 'no secret'
      end
      return how == 'presents' and { token = 'x' } or nil, 'not now'
    end
    local auth = { type = 'odd', attributes = {}, fresh = fresh }
    local cluster = open { url = 'joyrpc://a:1', auth = auth }
    local err = dispatch(cluster, nil, 200)[2]
    assert.matches("authenticator 'odd' presents nothing: .*no secret", err.message)
    how = 'nothing'
    core.pass(30000)
    assert.matches('presents nothing: not now', dispatch(cluster, nil, 200)[2].message)
    how = 'presents'
    core.pass(30000)
    assert.equal('a:1', dispatch(cluster)[1])
    cluster:close()
  end)

  it('routes by selector and says which one left nothing', function()
    serve 'a:1'
    serve 'b:1'
    local cluster = open {
      url = 'joyrpc://a:1?tag=blue,joyrpc://b:1?tag=red',
      selectors = { 'tag' },
    }
    core.run(function()
      cluster:ready()
      core.sleep(10)
    end)
    for _ = 1, 5 do
      assert.equal('b:1', dispatch(cluster, { attachments = { tag = 'red' } })[1])
    end
    local err = dispatch(cluster, { attachments = { tag = 'green' } })[2]
    assert.equal('NO_NODE', err.code)
    assert.equal("selector 'tag' left none of 2 nodes", err.message)
  end)

  it("runs a user's router with a send of its own", function()
    serve('a:1', { handler = failing('OVERLOADED', 'REFUSED') })
    serve 'b:1'
    local kept
    plugin.register('router', 'twice', function(ctx, c, nodes, send)
      kept = send
      local result, err = send(nodes:pick(ctx, c))
      if err and err.retryable then
        return send(nodes:pick(ctx, c))
      end
      return result, err
    end)
    local cluster = open {
      url = 'joyrpc://a:1,joyrpc://b:1',
      router = 'twice',
      loadbalance = 'round_robin',
    }
    core.run(function()
      cluster:ready()
      core.sleep(10)
    end)
    for _ = 1, 4 do
      assert.same({ 'b:1' }, dispatch(cluster))
    end
    assert.has_error(function()
      kept(cluster.ready_nodes[1])
    end)
  end)

  it('refuses what is no node of its own, and tells a balancer that gives none', function()
    serve 'a:1'
    local answer
    plugin.register('loadbalance', 'odd', function()
      return answer
    end)
    local cluster = open { url = 'joyrpc://a:1', loadbalance = 'odd', router = 'failfast' }
    assert.equal('NO_NODE', dispatch(cluster)[2].code)
    answer = 'a:1'
    local ok, message = pcall(dispatch, cluster)
    assert.is_false(ok)
    assert.truthy(tostring(message):find('chose a string', 1, true))
  end)

  it('tells the balancer how it went, method by method', function()
    serve 'a:1'
    local outcomes = {}
    plugin.register('loadbalance', 'watching', {
      pick = function(_, _, nodes)
        return nodes[1]
      end,
      done = function(_, c, node, err)
        table.insert(outcomes, c.method .. ' ' .. node.address .. ' ' .. (err and err.code or 'OK'))
      end,
    })
    local cluster = open {
      url = 'joyrpc://a:1',
      methods = { hello = { loadbalance = 'watching', router = 'failfast' } },
    }
    dispatch(cluster)
    core.servers['a:1'].handler = failing('CLOSED', 'UNKNOWN')
    dispatch(cluster)
    dispatch(cluster, { method = 'other' })
    assert.same({ 'hello a:1 OK', 'hello a:1 CLOSED' }, outcomes)
  end)

  it('keeps counters straight when an attempt filter raises', function()
    serve 'a:1'
    local cluster = open { url = 'joyrpc://a:1' }
    dispatch(cluster)
    cluster.attempt = function()
      error 'boom'
    end
    assert.is_false(pcall(dispatch, cluster))
    assert.equal(0, cluster.ready_nodes[1].active)
  end)

  it('retries a session that is refused until the service is there', function()
    local server = serve('a:1', { no_session = true })
    local cluster = open { url = 'joyrpc://a:1' }
    core.pass(2000)
    assert.equal(0, #cluster.ready_nodes)
    local err = dispatch(cluster, nil, 100)[2]
    assert.truthy(err.message:find('no such service', 1, true))
    server.no_session = nil
    core.pass(20000)
    assert.equal(1, #cluster.ready_nodes)
    assert.equal(1, core.connects['a:1'])
  end)

  it('says what is wrong with a declaration', function()
    local function wrong(refer)
      refer.interface = 'demo.W'
      return clusters.check(refer)
    end
    assert.is_nil(wrong { url = 'joyrpc://a:1' })
    assert.equal(
      "loadbalance 'p2x' unknown; did you mean 'p2c'?",
      wrong { url = 'x://a:1', loadbalance = 'p2x' }
    )
    assert.equal(
      "router 'failoverr' unknown; did you mean 'failover'?",
      wrong { url = 'x://a:1', router = 'failoverr' }
    )
    assert.truthy(wrong({ url = 'a:1' }):find('is no URL', 1, true))
    assert.equal(
      "registry 'memry' unknown; did you mean 'memory'?",
      wrong { registry = 'memry://x' }
    )
    assert.truthy(
      wrong({ url = 'x://a:1', methods = { m = { loadbalance = 'nope' } } }):find(
        "method 'm'",
        1,
        true
      )
    )
    assert.equal('needs url or registry', wrong {})
  end)
end)
