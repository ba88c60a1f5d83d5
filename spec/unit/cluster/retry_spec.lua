-- SPDX-License-Identifier: MIT
require 'spec.support.c'
local support = require 'spec.support.cluster'

describe('retrying', function()
  local t
  before_each(function()
    t = support.install()
  end)

  local function failing_everywhere(code, outcome)
    t.serve('a:1', { handler = t.failing(code, outcome) })
    t.serve('b:1', { handler = t.failing(code, outcome) })
  end

  local function attempts(refer, call)
    refer.url, refer.retries = t.urls 'a:1 b:1', refer.retries or 1
    local err = t.call(t.open(refer), call).err
    return err.attempts and #err.attempts or 1
  end

  it('on codes, and on nothing else', function()
    failing_everywhere('OVERLOADED', 'REFUSED')
    assert.equal(2, attempts { retry_on = 'OVERLOADED' })
    assert.equal(2, attempts { retry_on = { 'UNAVAILABLE', 'OVERLOADED' } })
    assert.equal(1, attempts { retry_on = { 'UNAVAILABLE' } })
    assert.equal(2, attempts { retry_on = { 'retryable', 'UNAVAILABLE' } })
    assert.equal(1, attempts { retry_on = {} })
  end)

  it('repeats what may have run for idempotent calls only', function()
    failing_everywhere('ABORTED', 'UNKNOWN')
    assert.equal(1, attempts { retry_on = 'ABORTED' })
    assert.equal(2, attempts({ retry_on = 'ABORTED' }, { idempotent = true }))
    assert.equal(1, attempts({}, { idempotent = true }))
    assert.equal(1, attempts({ retry_on = { 'ABORTED', 'not_run' } }, { idempotent = false }))
  end)

  it('asks predicates, by name, in place, and per method', function()
    failing_everywhere('TIMEOUT', 'UNKNOWN')
    local seen
    t.plugin.register('retry_predicate', 'mine', function(_, call, err)
      seen = call.method .. ' ' .. err.code
      return true
    end)
    assert.equal(2, attempts({ retry_on = 'mine' }, { idempotent = true }))
    assert.equal('hello TIMEOUT', seen)
    assert.equal(1, attempts({ retry_on = 'not_run' }, { idempotent = true }))
    assert.equal(
      1,
      attempts({
        retry_on = function()
          return false
        end,
      }, { idempotent = true })
    )
    local methods = { hello = { retry_on = 'not_run' } }
    assert.equal(1, attempts({ methods = methods }, { idempotent = true }))
    assert.equal(2, attempts({ methods = methods }, { idempotent = true, method = 'other' }))
  end)

  it('never beyond the budget, whatever a predicate says', function()
    failing_everywhere('OVERLOADED', 'REFUSED')
    local cluster = t.open {
      url = t.urls 'a:1 b:1',
      retries = 100,
      retry_on = function()
        return true
      end,
      retry_budget = { ratio = 0, per_second = 0 },
    }
    local total = 0
    for _ = 1, 20 do
      local err = t.call(cluster).err
      total = total + #err.attempts
      assert.is_true(#err.attempts > 1 or err.final)
    end
    assert.is_true(total <= 40)
  end)

  it('when all nodes are gone asks the budget, too', function()
    local function hang_up(_, _, _, _, record)
      t.core.servers['a:1'] = nil
      t.core.disconnect(record.id)
      t.core.spawn(function()
        t.core.sleep(100)
        t.serve 'a:1'
      end)
      return false, 'SHUTDOWN', 'going', 'REFUSED'
    end
    for _, wanted in ipairs { 10, 0 } do
      t.serve('a:1', { handler = hang_up })
      local cluster = t.open {
        url = t.urls 'a:1',
        retries = 1,
        retry_target = 'same',
        retry_budget = { ratio = 0, per_second = wanted },
      }
      -- What the bucket starts with is used up.
      local C = require 'perilune.ffi'
      for _ = 1, wanted == 0 and 1000 or 0 do
        C.peri_budget_take(cluster.budget, 0)
      end
      local answer = t.call(cluster, nil, 5000)
      if wanted > 0 then
        assert.equal('a:1', answer.result)
      else
        assert.truthy(tostring(answer.err):find('retry budget', 1, true))
      end
      cluster:close()
      t.core.pass(1000)
    end
  end)

  it('at another node, the same one, or in another region', function()
    local urls = {}
    for i = 1, 40 do
      t.serve(i .. ':1', { handler = t.failing('OVERLOADED', 'REFUSED') })
      urls[i] = ('joyrpc://%d:1?region=%s'):format(i, i % 2 == 0 and 'east' or 'west')
    end
    local function tried(target)
      local cluster = t.open { url = urls, retries = 1, retry_target = target }
      local list = t.call(cluster).err.attempts
      return list[1].address, list[2].address
    end
    for _ = 1, 10 do
      local a, b = tried(nil)
      assert.is_not.equal(a, b)
      a, b = tried 'same'
      assert.equal(a, b)
      a, b = tried 'other_region'
      assert.equal(1, (tonumber(a:match '%d+') + tonumber(b:match '%d+')) % 2)
      assert.is_string((tried { 'other_region', key = 'nowhere' }))
      _, b = tried(function(_, _, nodes)
        return nodes:where('address', '7:1')
      end)
      assert.equal('7:1', b)
    end
  end)

  it('gives attempts their time', function()
    failing_everywhere('OVERLOADED', 'REFUSED')
    local function times(refer, call)
      for _, server in pairs(t.core.servers) do
        server.timeouts = {}
      end
      local list, order = {}, {}
      local function record(address)
        t.core.servers[address].handler = function()
          local timeouts = t.core.servers[address].timeouts
          table.insert(order, timeouts[#timeouts])
          return false, 'OVERLOADED', 'of a spec', 'REFUSED'
        end
      end
      record 'a:1'
      record 'b:1'
      refer.url, refer.retries = t.urls 'a:1 b:1', 2
      t.call(t.open(refer), call, 1000)
      for i, ms in ipairs(order) do
        list[i] = math.floor(ms / 10 + 0.5) * 10
      end
      return list
    end
    assert.same({ 1000, 1000, 1000 }, times {})
    assert.same({ 330, 500, 1000 }, times({}, { idempotent = true }))
    assert.same({ 70, 70, 70 }, times { attempt_timeout = 70 })
    assert.same({ 300, 200, 200 }, times { attempt_timeout = { 300, 200 } })
    assert.same({ 500, 500, 1000 }, times { attempt_timeout = 'half' })
    assert.same({ 1000, 1000, 1000 }, times({ attempt_timeout = 'left' }, { idempotent = true }))
  end)

  it('says what is wrong with its settings', function()
    assert.equal(
      "router 'failover': retry_on: no error code 'OVERLODED'; did you mean 'OVERLOADED'?",
      t.wrong { retry_on = { 'OVERLODED' } }
    )
    assert.equal(
      "router 'failover': retry_on: retry_predicate 'retriable' unknown; did you mean 'retryable'?",
      t.wrong { retry_on = 'retriable' }
    )
    assert.equal(
      "router 'failover': retry_target: retry_target 'another' unknown; did you mean 'other'?",
      t.wrong { retry_target = 'another' }
    )
    assert.truthy(
      t.wrong({ attempt_timeout = 'quarter' })
        :find("'share', 'left' or 'half', got 'quarter'", 1, true)
    )
    assert.truthy(t.wrong({ attempt_timeout = { 100, 0 } }):find('attempt_timeout[2]', 1, true))
    assert.truthy(
      t.wrong({ methods = { hello = { retry_on = 'WRONG' } } }):find("method 'hello'", 1, true)
    )
  end)
end)
