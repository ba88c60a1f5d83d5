-- SPDX-License-Identifier: MIT
require 'spec.support.c'
local support = require 'spec.support.cluster'

describe('a balancer', function()
  local t
  before_each(function()
    t = support.install()
  end)

  describe('that breaks its contract', function()
    local function with(pick)
      t.plugin.register('loadbalance', 'odd', pick)
      t.serve 'a:1'
      t.serve 'b:1'
      local cluster = t.open { url = t.urls 'a:1 b:1', loadbalance = 'odd' }
      local ok, answer = pcall(t.call, cluster)
      local text = tostring(ok and (answer.err or answer.result) or answer)
      return text:match '^[^\n]*', cluster
    end

    it('gives a foreign node, no node, or something else', function()
      t.serve 'c:1'
      local other = t.open { url = t.urls 'c:1' }
      local text, cluster = with(function()
        return other.ready_nodes[1]
      end)
      local wanted = "INTERNAL: router 'failover' of %s, or its balancer 'odd', "
        .. 'chose c:1, which is none'
        .. ' of its nodes; it must choose one of nodes'
      assert.equal(wanted:format(cluster.name), text)
      assert.equal(0, t.calls()['c:1'])
    end)

    it('gives nothing', function()
      local text, cluster = with(function() end)
      assert.equal(("NO_NODE: the balancer 'odd' of %s chose no node"):format(cluster.name), text)
    end)

    it('gives a number', function()
      local text, cluster = with(function()
        return 1
      end)
      local wanted = "INTERNAL: router 'failover' of %s, or its balancer 'odd', "
        .. 'chose a number; it must'
        .. ' choose one of nodes'
      assert.equal(wanted:format(cluster.name), text)
    end)

    it('throws', function()
      assert.truthy(with(function()
        error 'boom'
      end):find('boom', 1, true))
    end)

    it('gives a node that is dead: not sent, tried elsewhere', function()
      local dead
      t.serve 'a:1'
      t.serve 'b:1'
      t.plugin.register('loadbalance', 'dead_first', function(_, call, nodes)
        if not call.again or call.method == 'always' then
          call.again = true
          return dead
        end
        return nodes[1]
      end)
      local cluster = t.open { url = t.urls 'a:1 b:1', loadbalance = 'dead_first', retries = 1 }
      dead = cluster.ready_nodes[1]
      local server = t.core.servers['a:1']
      t.core.servers['a:1'] = nil
      t.core.hang_up 'a:1'
      t.core.pass(10)
      assert.equal('b:1', t.call(cluster).result)
      assert.is_nil(server.calls)
      cluster = t.open { url = t.urls 'a:1 b:1', loadbalance = 'dead_first', router = 'failfast' }
      dead = cluster:all_nodes()[1]
      local err = t.call(cluster, { method = 'always' }).err
      assert.equal('UNAVAILABLE', err.code)
      assert.equal('NOT_SENT', err.outcome)
      assert.truthy(err.message:find('^a:1 is %a+: .*refused'), err.message)
    end)
  end)

  it('hears of every attempt, whatever way the call takes', function()
    t.serve('a:1', { handler = t.failing('OVERLOADED', 'REFUSED') })
    t.serve('b:1', { latency = 5 })
    local heard = {}
    t.plugin.register('loadbalance', 'hearing', {
      pick = function(_, _, nodes)
        return nodes[1]
      end,
      done = function(ctx, call, node, err)
        assert(ctx and call)
        table.insert(heard, node.address .. ' ' .. (err and err.code or 'OK'))
      end,
    })
    for router, wanted in pairs {
      failfast = { 'a:1 OVERLOADED' },
      failover = { 'a:1 OVERLOADED', 'b:1 OK' },
      failsafe = { 'a:1 OVERLOADED' },
      forking = { 'a:1 OVERLOADED', 'b:1 OK' },
      broadcast = { 'a:1 OVERLOADED', 'b:1 OK' },
    } do
      heard = {}
      t.call(t.open { url = t.urls 'a:1 b:1', loadbalance = 'hearing', router = router })
      assert.same(wanted, heard)
    end
    -- A session that got lost, and a cluster that has a way of its own for single methods.
    heard = {}
    local cluster = t.open { url = t.urls 'b:1', methods = { hello = { loadbalance = 'hearing' } } }
    t.core.lose_sessions 'b:1'
    assert.equal('b:1', t.call(cluster).result)
    assert.same({ 'b:1 OK' }, heard)
  end)
end)
