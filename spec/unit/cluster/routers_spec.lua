-- SPDX-License-Identifier: MIT
require 'spec.support.c'
local support = require 'spec.support.cluster'

describe('router', function()
  local t
  before_each(function()
    t = support.install()
  end)

  describe('failsafe', function()
    it('logs a failure and gives nil', function()
      t.serve('a:1', { handler = t.failing('OVERLOADED', 'REFUSED') })
      local answer = t.call(t.open { url = t.urls 'a:1', router = 'failsafe' })
      assert.is_nil(answer.err)
      assert.is_nil(answer.result)
      assert.equal(1, t.calls()['a:1'])
      assert.truthy(
        table.concat(t.core.logs, '\n'):find('FAILSAFE OVERLOADED: OVERLOADED of', 1, true)
      )
    end)

    it('also when there is no node, with the result that was asked for', function()
      local cluster = t.open { url = t.urls 'gone:1', router = { 'failsafe', result = 'nothing' } }
      local answer = t.call(cluster, nil, 100)
      assert.same({ 'nothing' }, { answer.result, answer.err })
      t.serve 'a:1'
      cluster = t.open { url = t.urls 'a:1', router = 'failsafe', tag = 'blue' }
      assert.is_nil(t.call(cluster).err)
    end)

    it('gives results as they are', function()
      t.serve 'a:1'
      assert.equal('a:1', t.call(t.open { url = t.urls 'a:1', router = 'failsafe' }).result)
    end)
  end)

  describe('pinpoint', function()
    it('calls the node that the call names, once', function()
      t.serve 'a:1'
      t.serve('b:1', { handler = t.failing('OVERLOADED', 'REFUSED') })
      local cluster = t.open { url = t.urls 'a:1 b:1', router = 'pinpoint', retries = 3 }
      for _ = 1, 5 do
        assert.equal('a:1', t.call(cluster, { attachments = { ['.pinpoint'] = 'a:1' } }).result)
      end
      local err = t.call(cluster, { attachments = { ['.pinpoint'] = 'b:1' } }).err
      assert.equal('OVERLOADED', err.code)
      assert.equal(1, t.calls()['b:1'])
    end)

    it('refuses a call that names none or a stranger', function()
      t.serve 'a:1'
      local cluster = t.open { url = t.urls 'a:1', router = 'pinpoint' }
      local err = t.call(cluster).err
      assert.equal('BAD_REQUEST', err.code)
      assert.truthy(err.message:find("attachment '.pinpoint'", 1, true))
      err = t.call(cluster, { attachments = { ['.pinpoint'] = 'x:1' } }).err
      assert.equal("NO_NODE: pinpoint: 'x:1' is none of the 1 nodes that are ready", tostring(err))
      assert.equal(0, t.calls()['a:1'])
    end)

    it('takes a fixed node and a meta field', function()
      t.serve 'a:1'
      t.serve 'b:1'
      local router = { 'pinpoint', by = 'name', node = 'second' }
      local cluster = t.open { url = t.urls 'a:1?name=first b:1?name=second', router = router }
      assert.equal('b:1', t.call(cluster).result)
    end)
  end)

  describe('forking', function()
    it('takes the first success and cancels the losers', function()
      t.serve('a:1', { latency = 500 })
      t.serve('b:1', { latency = 5 })
      t.serve('c:1', { latency = 500 })
      local cluster = t.open { url = t.urls 'a:1 b:1 c:1', router = { 'forking', forks = 0 } }
      local began = t.core.clock()
      assert.equal('b:1', t.call(cluster).result)
      assert.is_true(t.core.clock() - began < 50)
      t.core.pass(1)
      assert.equal(1, t.core.servers['a:1'].cancelled)
      assert.equal(1, t.core.servers['c:1'].cancelled)
      for _, node in ipairs(cluster.ready_nodes) do
        assert.equal(0, node.active)
      end
    end)

    it('asks so many different nodes, and fails only when all failed', function()
      for _, address in ipairs { 'a:1', 'b:1', 'c:1' } do
        t.serve(address, { handler = t.failing('OVERLOADED', 'REFUSED') })
      end
      local cluster = t.open { url = t.urls 'a:1 b:1 c:1', router = { 'forking', forks = 2 } }
      local err = t.call(cluster).err
      assert.equal('OVERLOADED', err.code)
      assert.equal(2, #err.attempts)
      assert.is_not.equal(err.attempts[1].address, err.attempts[2].address)
      t.serve 'a:1'
      cluster = t.open { url = t.urls 'a:1 b:1 c:1', router = { 'forking', forks = 9 } }
      assert.equal('a:1', t.call(cluster).result)
    end)

    it('asks the next one only after the delay, at once when one fails', function()
      t.serve('a:1', { latency = 5 })
      t.serve('b:1', { latency = 5 })
      local router = { 'forking', forks = 2, delay = 50 }
      local cluster = t.open { url = t.urls 'a:1 b:1', router = router }
      assert.is_nil(t.call(cluster).err)
      assert.equal(1, t.calls()['a:1'] + t.calls()['b:1'])
      t.core.servers['a:1'].latency, t.core.servers['b:1'].latency = 80, 90
      local began = t.core.clock()
      assert.is_nil(t.call(cluster).err)
      assert.equal(3, t.calls()['a:1'] + t.calls()['b:1'])
      assert.is_true(t.core.clock() - began < 95)
      t.core.servers['a:1'].handler = t.failing('UNAVAILABLE', 'NOT_SENT')
      t.core.servers['a:1'].latency, t.core.servers['b:1'].latency = 5, 5
      for _ = 1, 10 do
        began = t.core.clock()
        assert.equal('b:1', t.call(cluster).result)
        assert.is_true(t.core.clock() - began < 50)
      end
    end)

    -- The seed's forks shared one request object, and encoding one disturbed another.
    it('gives each attempt a call of its own', function()
      local seen = {}
      for _, address in ipairs { 'a:1', 'b:1' } do
        t.serve(address, {
          latency = 5,
          handler = function(_, _, attachments)
            seen[address] = attachments.to
            return false, 'UNAVAILABLE', 'of a spec', 'NOT_SENT'
          end,
        })
      end
      local cluster = t.open { url = t.urls 'a:1 b:1', router = 'forking' }
      local raw = cluster.attempt
      cluster.attempt = function(ctx, call, node)
        call.attachments.to = node.address
        t.core.sleep(1)
        return raw(ctx, call, node)
      end
      local given = {}
      t.call(cluster, { attachments = given })
      assert.same({ ['a:1'] = 'a:1', ['b:1'] = 'b:1' }, seen)
      assert.same({}, given)
    end)

    it('needs no retry budget for its first attempts', function()
      for _, address in ipairs { 'a:1', 'b:1', 'c:1' } do
        t.serve(address, { handler = t.failing('UNAVAILABLE', 'NOT_SENT') })
      end
      local cluster = t.open {
        url = t.urls 'a:1 b:1 c:1',
        router = { 'forking', forks = 0, delay = 1 },
        retry_budget = { ratio = 0, per_second = 0 },
      }
      for _ = 1, 30 do
        assert.equal(3, #t.call(cluster).err.attempts)
      end
    end)
  end)

  describe('broadcast', function()
    -- The seed's loop never advanced with two nodes or more.
    it('calls every node and lists the results', function()
      for i = 1, 5 do
        t.serve(i .. ':1')
      end
      local cluster = t.open { url = t.urls '1:1 2:1 3:1 4:1 5:1', router = 'broadcast' }
      local list = t.call(cluster).result
      assert.equal(5, #list)
      for i, answer in ipairs(list) do
        assert.same({ node = i .. ':1', result = i .. ':1' }, answer)
      end
    end)

    it('fails when one fails, and says who', function()
      t.serve 'a:1'
      t.serve('b:1', { handler = t.failing('FORBIDDEN', 'UNKNOWN') })
      t.serve 'c:1'
      local cluster = t.open { url = t.urls 'a:1 b:1 c:1', router = 'broadcast' }
      local err = t.call(cluster).err
      assert.equal('FORBIDDEN', err.code)
      assert.equal(
        'broadcast: 2 of 3 nodes did it, 3 are needed; the first failure: FORBIDDEN of a spec',
        err.message
      )
      assert.equal('a:1', err.details[1].result)
      assert.equal('FORBIDDEN', err.details[2].err.code)
      assert.equal('c:1', err.details[3].result)
      assert.same({ ['a:1'] = 1, ['b:1'] = 1, ['c:1'] = 1 }, t.calls())
    end)

    it('ends with a quorum and lets the others go on', function()
      t.serve 'a:1'
      t.serve 'b:1'
      local finished
      t.serve('c:1', {
        latency = 400,
        handler = function()
          finished = true
          return true, 'late'
        end,
      })
      local cluster = t.open {
        url = t.urls 'a:1 b:1 c:1',
        router = { 'broadcast', need = 'quorum', parallel = 2 },
      }
      local began = t.core.clock()
      local list = t.call(cluster).result
      assert.is_true(t.core.clock() - began < 100)
      assert.same({ node = 'c:1', pending = true }, list[3])
      t.core.pass(500)
      assert.is_true(finished)
      assert.same({ node = 'c:1', pending = true }, list[3])
    end)

    it('asks nobody where fewer are ready than are needed', function()
      t.serve 'a:1'
      t.serve 'b:1'
      local cluster = t.open { url = t.urls 'a:1 b:1', router = { 'broadcast', need = 3 } }
      local err = t.call(cluster).err
      assert.equal('NO_NODE', err.code)
      assert.equal('broadcast: 3 nodes are needed, 2 are ready', err.message)
      assert.same({ ['a:1'] = 0, ['b:1'] = 0 }, t.calls())
    end)

    it('bounds how many are asked at once', function()
      local now, most = 0, 0
      for i = 1, 20 do
        t.serve(i .. ':1', {
          handler = function()
            now = now + 1
            most = math.max(most, now)
            t.core.sleep(5)
            now = now - 1
            return true, i
          end,
        })
      end
      local urls = {}
      for i = 1, 20 do
        urls[i] = ('joyrpc://%d:1'):format(i)
      end
      local cluster = t.open { url = urls, router = { 'broadcast', parallel = 3 } }
      assert.equal(20, #t.call(cluster).result)
      assert.equal(3, most)
    end)

    it('says what is wrong with its settings', function()
      assert.equal(
        "router 'broadcast': need must be 'all', 'quorum' or an integer of at least 1, got 'most'",
        t.wrong { router = { 'broadcast', need = 'most' } }
      )
      assert.equal(
        "router 'forking': unknown setting 'fork'; did you mean 'forks'?",
        t.wrong { router = { 'forking', fork = 3 } }
      )
    end)
  end)

  describe('that breaks its contract', function()
    before_each(function()
      t.serve 'a:1'
      t.serve 'b:1'
    end)

    local function with(route)
      t.plugin.register('router', 'odd', route)
      local cluster = t.open { url = t.urls 'a:1 b:1', router = 'odd' }
      local ok, answer = pcall(t.call, cluster)
      if ok then
        return answer.err, cluster
      end
      return answer, cluster
    end

    it('never sends: one error names it', function()
      local err, cluster = with(function() end)
      assert.truthy(
        tostring(err):find("router 'odd' of " .. cluster.name .. ' neither sent the call', 1, true)
      )
    end)

    it('may answer without sending', function()
      assert.is_nil((with(function()
        return 'an answer of its own'
      end)))
    end)

    it('sends a thousand times: it is stopped', function()
      t.core.servers['a:1'].handler = t.failing('OVERLOADED', 'REFUSED')
      t.core.servers['b:1'].handler = t.failing('OVERLOADED', 'REFUSED')
      local err = with(function(ctx, call, nodes, send)
        for _ = 1, 1000 do
          send(nodes:pick(ctx, call))
        end
      end)
      assert.truthy(tostring(err):find("router 'odd'", 1, true))
      assert.truthy(tostring(err):find('sent one call 128 times', 1, true))
      -- The retry budget stopped nearly all of them before.
      assert.is_true(t.calls()['a:1'] + t.calls()['b:1'] < 128)
    end)

    it('sends to a node of another service', function()
      t.serve 'c:1'
      local other = t.open { url = t.urls 'c:1' }
      local err = with(function(_, _, _, send)
        return send(other.ready_nodes[1])
      end)
      assert.truthy(tostring(err):find('chose c:1, which is none of its nodes', 1, true))
    end)

    it('of a balancer or a service that throws: routers of many nodes end, too', function()
      t.plugin.register('loadbalance', 'odd', function()
        return 'no node'
      end)
      for _, router in ipairs { 'forking', { 'forking', delay = 50 } } do
        t.serve 'a:1'
        local cluster = t.open { url = t.urls 'a:1', loadbalance = 'odd', router = router }
        local err = t.call(cluster).err
        assert.equal('INTERNAL', err.code)
        assert.truthy(err.message:find('it must choose one of', 1, true), err.message)
      end
      local cluster = t.open { url = t.urls 'a:1', router = 'broadcast' }
      cluster.attempt = function()
        error 'broken'
      end
      local err = t.call(cluster).err
      assert.truthy(err.message:find('the first failure: .*broken'), err.message)
    end)

    it('of a balancer that chooses no node: the call fails, whatever the router', function()
      t.plugin.register('loadbalance', 'none', function() end)
      for _, router in ipairs { 'failover', 'failfast', 'forking', { 'forking', delay = 50 } } do
        local cluster = t.open { url = t.urls 'a:1 b:1', loadbalance = 'none', router = router }
        local err = t.call(cluster).err
        assert.equal('NO_NODE', err.code)
        assert.truthy(err.message:find("the balancer 'none'", 1, true), err.message)
      end
    end)

    it('when no coroutine is left', function()
      t.serve 'a:1'
      local spawn = t.core.spawn
      for _, router in ipairs { 'forking', 'broadcast' } do
        local cluster = t.open { url = t.urls 'a:1', router = router }
        local left = 1 -- of the spec itself
        function t.core.spawn(...)
          left = left - 1
          return left >= 0 and spawn(...) or nil
        end
        assert.equal('OVERLOADED', t.call(cluster).err.code)
        t.core.spawn = spawn
      end
    end)
  end)
end)
