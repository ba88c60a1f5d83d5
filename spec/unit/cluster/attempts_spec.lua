-- SPDX-License-Identifier: MIT
require 'spec.support.c'
local support = require 'spec.support.cluster'

describe('attempts of a call', function()
  local t, core, serve, open, failing
  before_each(function()
    t = support.install()
    core, serve, open, failing = t.core, t.serve, t.begin, t.failing
  end)

  local function dispatch(cluster, fields, ms)
    local answer = t.call(cluster, fields, ms)
    return { answer.result, answer.err }
  end

  it('tries another node when the attempt was not sent or refused', function()
    for _, outcome in ipairs { 'NOT_SENT', 'REFUSED' } do
      serve('a:1', { handler = failing('OVERLOADED', outcome) })
      serve 'b:1'
      local cluster = open { url = 'joyrpc://a:1,joyrpc://b:1', retries = 1 }
      core.run(function()
        cluster:ready()
        core.sleep(10)
      end)
      for _ = 1, 20 do
        assert.same({ 'b:1' }, dispatch(cluster))
      end
    end
  end)

  it('waits for a node again when a refused call finds none left', function()
    serve('a:1', {
      handler = function(_, _, _, _, record)
        core.servers['a:1'] = nil
        core.disconnect(record.id)
        core.spawn(function()
          core.sleep(300)
          serve 'a:1'
        end)
        return false, 'SHUTDOWN', 'going', 'REFUSED'
      end,
    })
    local cluster = open { url = 'joyrpc://a:1', retries = 1 }
    assert.same({ 'a:1' }, dispatch(cluster, nil, 5000))
  end)

  it('makes the one attempt that was asked for and no second', function()
    for _, refer in ipairs { { retries = 0 }, { router = 'failfast' } } do
      local attempts = 0
      serve('a:1', {
        handler = function(_, _, _, _, record)
          attempts = attempts + 1
          core.disconnect(record.id)
          return false, 'SHUTDOWN', 'going', 'REFUSED'
        end,
      })
      refer.url = 'joyrpc://a:1'
      assert.equal('SHUTDOWN', dispatch(open(refer), nil, 5000)[2].code)
      assert.equal(1, attempts)
    end
  end)

  it('repeats an attempt of unknown fate only for idempotent methods', function()
    serve('a:1', { handler = failing('CLOSED', 'UNKNOWN') })
    serve('b:1', { handler = failing('CLOSED', 'UNKNOWN') })
    local cluster = open { url = { 'joyrpc://a:1', 'joyrpc://b:1' }, retries = 2 }
    dispatch(cluster)
    core.pass(10)
    local before = (core.servers['a:1'].calls or 0) + (core.servers['b:1'].calls or 0)
    local err = dispatch(cluster)[2]
    assert.equal('CLOSED', err.code)
    assert.is_false(err.retryable)
    assert.equal(before + 1, core.servers['a:1'].calls + (core.servers['b:1'].calls or 0))
    assert.equal(1, #err.attempts)

    err = dispatch(cluster, { idempotent = true })[2]
    assert.equal(3, #err.attempts)
    assert.not_equal(err.attempts[1].address, err.attempts[2].address)
    assert.equal('UNKNOWN', err.attempts[1].outcome)
  end)

  it('never repeats what the handler answered', function()
    serve('a:1', { handler = failing('NOT_FOUND', 'UNKNOWN') })
    local cluster = open { url = 'joyrpc://a:1', retries = 3 }
    local err = dispatch(cluster, { idempotent = true })[2]
    assert.equal('NOT_FOUND', err.code)
    assert.equal(1, core.servers['a:1'].calls)
    assert.equal(0, cluster.ready_nodes[1].errors)
  end)

  it('gives an attempt its share of the time left, all of it when it is the last', function()
    local server = serve('a:1', { handler = failing('CLOSED', 'UNKNOWN') })
    local cluster = open { url = 'joyrpc://a:1', retries = 2 }
    core.run(cluster.ready, cluster)
    dispatch(cluster, { idempotent = true }, 300)
    assert.equal(3, #server.timeouts)
    assert.equal(100, server.timeouts[1])
    assert.is_true(math.abs(server.timeouts[2] - 149.5) < 1)
    assert.is_true(math.abs(server.timeouts[3] - 298) < 1)
    server.timeouts = {}
    dispatch(cluster, {}, 300)
    assert.same({ 300 }, server.timeouts)
    server.timeouts = {}
    dispatch(cluster, { idempotent = true, attempt_timeout = 20, retries = 1 }, 300)
    assert.same({ 20, 20 }, server.timeouts)
  end)

  it('stops repeating when the budget of the service is spent', function()
    serve('a:1', { handler = failing('UNAVAILABLE', 'REFUSED') })
    -- Next to nothing for the time that passes, of which a busy machine needs more.
    local budget = { ratio = 0.2, per_second = 0.001 }
    local cluster = open { url = 'joyrpc://a:1', retries = 1, retry_budget = budget }
    local err -- of the last one that was refused: every fifth call earns a retry
    for _ = 1, 400 do
      local last = dispatch(cluster)[2]
      err = last.message:find('retry budget', 1, true) and last or err
    end
    assert.is_false(err.retryable)
    assert.equal(1, #err.attempts)
    -- 400 calls, a burst of 10 retries and a fifth of the calls
    local calls = core.servers['a:1'].calls
    assert.is_true(calls >= 485 and calls <= 490, tostring(calls))
  end)

  it('leaves the budget alone when told so', function()
    serve('a:1', { handler = failing('UNAVAILABLE', 'REFUSED') })
    local cluster = open { url = 'joyrpc://a:1', retries = 1, retry_budget = false }
    for _ = 1, 400 do
      dispatch(cluster)
    end
    assert.equal(800, core.servers['a:1'].calls)
  end)

  it('negotiates anew when the session is lost', function()
    local server = serve 'a:1'
    local cluster = open { url = 'joyrpc://a:1', router = 'failfast' }
    dispatch(cluster)
    core.lose_sessions 'a:1'
    assert.same({ 'a:1' }, dispatch(cluster))
    assert.equal(2, server.sessions)
    assert.equal(1, core.connects['a:1'])
  end)
end)
