-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('filter breaker', function()
  it(
    'opens, tries, and closes',
    inside(function()
      local calls, bad = 0, true
      local service = {
        f = function()
          calls = calls + 1
          if bad then
            return nil, perilune.error('UNAVAILABLE', 'down')
          end
          return 'up'
        end,
      }
      local turned = {}
      perilune.on('breaker.state', function(event)
        turned[#turned + 1] = event.from .. '>' .. event.to
      end)
      local proxy = serve(service, nil, {
        breaker = { min_calls = 4, error_ratio = 0.5, open = 1000, probes = 2, jitter = 0 },
      })
      for _ = 1, 4 do
        proxy:f()
      end
      local _, err = proxy:f()
      assert.equal(4, calls)
      assert.equal('UNAVAILABLE', err.code)
      assert.truthy(err.message:find('the circuit is open', 1, true))
      assert.truthy(err.details.retry_after > 0)
      advance(1001)
      proxy:f() -- a probe fails: open again
      assert.equal(5, calls)
      proxy:f()
      assert.equal(5, calls)
      advance(1001)
      bad = false
      assert.equal('up', (proxy:f()))
      assert.equal('up', (proxy:f()))
      bad = true
      proxy:f()
      assert.equal(8, calls, 'what came before it opened is forgotten')
      assert.same({
        'closed>open',
        'open>half_open',
        'half_open>open',
        'open>half_open',
        'half_open>closed',
      }, turned)
      assert.equal(5, #logged 'BREAKER')
    end)
  )

  it(
    'lets so many probes at once, and counts nothing that began before it turned',
    inside(function()
      local gate, bad = {}, true
      local proxy = serve(
        {
          f = function(_, hold)
            if hold then
              local done, settle = perilune.future()
              gate[#gate + 1] = settle
              done:await()
            end
            if bad then
              return nil, perilune.error('OVERLOADED', 'busy')
            end
            return 1
          end,
        },
        nil,
        {
          breaker = { successive = 2, min_calls = 100, open = 500, probes = 2, jitter = 0 },
          timeout = 60000,
        }
      )
      local early = perilune.async(proxy):f(true)
      eventually(function()
        return gate[1]
      end)
      proxy:f()
      proxy:f()
      advance(501)
      bad = false
      local probes = { perilune.async(proxy):f(true), perilune.async(proxy):f(true) }
      eventually(function()
        return gate[3]
      end)
      local _, err = proxy:f()
      assert.equal('UNAVAILABLE', err.code)
      bad = true
      gate[1](true)
      _, err = early:await()
      assert.equal('OVERLOADED', err.code)
      bad = false
      gate[2](true)
      gate[3](true)
      assert(perilune.all(probes):await())
      assert.equal(1, (proxy:f()))
    end)
  )

  it(
    'opens for slow calls, and not for errors that are answers',
    inside(function()
      local proxy = serve({
        slow = function()
          core.test_advance(300)
          perilune.sleep(0)
          return 1
        end,
        wrong = function()
          return nil, perilune.error('NOT_FOUND', 'x')
        end,
      }, nil, { breaker = { min_calls = 3, slow = 200, slow_ratio = 0.5 }, timeout = 60000 })
      for _ = 1, 10 do
        local _, err = proxy:wrong()
        assert.equal('NOT_FOUND', err.code)
      end
      for _ = 1, 3 do
        assert.equal(1, (proxy:slow()))
      end
      local _, err = proxy:slow()
      assert.truthy(err.message:find('the circuit is open', 1, true))
      _, err = proxy:wrong()
      assert.equal('NOT_FOUND', err.code, 'each method has its own')
    end)
  )

  it(
    'slides: what is old does not count',
    inside(function()
      local window = perilune.use('breaker', {
        'window',
        window = 1000,
        slots = 4,
        min_calls = 4,
        error_ratio = 0.5,
      })
      local state, now = {}, 10000
      local function call(outcome)
        assert.is_true((window.allow(state, now)))
        window.done(state, now, outcome, state.turns)
      end
      for _ = 1, 3 do
        call 'failed'
      end
      now = now + 1300
      call 'failed'
      assert.same({ 1, 1 }, { state.calls, state.failed })
      for _ = 1, 4 do
        now = now + 200
        call 'ok'
      end
      assert.equal('closed', state.state)
      now = now + 100000
      call 'none'
      call 'ok'
      assert.same({ 1, 0, 0 }, { state.calls, state.failed, state.slow })
    end)
  )

  it(
    'counts for each who looks at another window',
    inside(function()
      local function breaker(window)
        return perilune.use('breaker', { 'window', window = window, min_calls = 4, jitter = 0 })
      end
      local one, other, state, now = breaker(1000), breaker(5000), {}, 0
      for i = 1, 7 do
        local machine = i % 2 == 1 and one or other
        assert.is_true((machine.allow(state, now)))
        machine.done(state, now, 'failed', state.turns)
        now = now + 10
        assert.equal(i < 7 and 'closed' or 'open', state.state)
      end
      assert.is_nil((other.allow(state, now)))
      -- Closed again, neither remembers.
      now = now + 6000
      for _ = 1, 3 do
        assert.is_true((one.allow(state, now)))
        one.done(state, now, 'ok', state.turns)
      end
      assert.equal('closed', state.state)
      other.allow(state, now)
      other.done(state, now, 'failed', state.turns)
      assert.same({ 'closed', 1 }, { state.state, state.calls })
      for width = 1, 30 do -- reloads that change it again and again
        breaker(1000 + width).done(state, now, 'ok', state.turns)
      end
      assert.is_true((state.kept or 0) <= 8)
    end)
  )

  it(
    'does not wait for ever for a probe that never ends',
    inside(function()
      local window = perilune.use('breaker', {
        'window',
        window = 1000,
        open = 500,
        probes = 1,
        successive = 1,
        jitter = 0,
      })
      local state = {}
      window.allow(state, 0)
      window.done(state, 0, 'failed', state.turns)
      assert.same({ nil, 100 }, { window.allow(state, 400) })
      assert.is_true((window.allow(state, 501)))
      assert.is_nil((window.allow(state, 502)))
      assert.is_true((window.allow(state, 2100)))
    end)
  )

  it(
    'keeps its circuits in a table that a reload hands over',
    inside(function()
      local proxy, name = serve({
        f = function()
          return nil, perilune.error('UNAVAILABLE', 'down')
        end,
      }, nil, { breaker = { successive = 1, jitter = 0 } })
      proxy:f()
      local circuits = perilune.state('breakers').circuits
      local state = circuits[name .. '\1\1f']
      assert.equal('open', state.state)
      local again = perilune.refer { interface = name, url = core.test_url(), breaker = true }
      local _, err = again:f()
      assert.truthy(err.message:find('the circuit is open', 1, true))
    end)
  )

  it(
    'stands around each attempt when there is one circuit per node',
    inside(function()
      local proxy, name = serve({
        f = function()
          return nil, perilune.error('UNAVAILABLE', 'down')
        end,
      }, nil, { breaker = { per = 'node', successive = 1 } })
      proxy:f()
      local _, err = proxy:f()
      assert.truthy(err.message:find(' at tcp', 1, true) or err.message:find(' at joyrpc', 1, true))
      local found
      for key in pairs(perilune.state('breakers').circuits) do
        found = found or key:find(name, 1, true) and key:match '://'
      end
      assert.truthy(found)
    end)
  )

  it(
    'takes no call that was cancelled for a failure, wherever it waited',
    inside(function()
      local proxy, name = serve({
        f = function()
          return 1
        end,
      }, nil, { breaker = { successive = 1 }, fault = { delay = 1000, lasts = 60000 } })
      local future = perilune.async(proxy):f()
      turns(3)
      future:cancel()
      turns(3)
      assert.equal('closed', perilune.state('breakers').circuits[name .. '\1\1f'].state)
      future = perilune.async(proxy):f()
      turns(3)
      advance(1001)
      assert.equal(1, (future:await()))
    end)
  )

  it(
    'refuses what does not fit',
    inside(function()
      for part, conf in pairs {
        ["per must be one of 'method', 'interface', 'node'"] = { per = 'moon' },
        ["no error code 'TIMEOUTS'; did you mean 'TIMEOUT'?"] = { codes = { 'TIMEOUTS' } },
        ['error_ratio must be number from 0.01 to 1.01'] = { error_ratio = 50 },
        ['slow (ms) and slow_ratio (such as 0.5) mean something together only'] = { slow = 100 },
        ["unknown setting 'probe'; did you mean 'probes'?"] = { probe = 1 },
      } do
        local ok, message =
          pcall(perilune.refer, { interface = 'demo.X', url = core.test_url(), breaker = conf })
        assert.is_false(ok)
        assert.truthy(message:find(part, 1, true), message)
      end
    end)
  )

  it(
    'begins to count anew when a reload gives it another window',
    inside(function()
      local window = require 'perilune.entry.breaker.window'
      local schema = require 'perilune.schema'
      local function machine(conf)
        return window.new(assert(schema.apply(window.schema, conf, '')))
      end
      local state = {}
      local function calls(of, count, outcome)
        for _ = 1, count do
          assert.is_true((of.allow(state, 5000)))
          of.done(state, 5000, outcome, state.turns)
        end
      end
      calls(machine { slots = 100, window = 10000 }, 19, 'failed')
      local narrow = machine { slots = 2, window = 1000 }
      calls(narrow, 1, 'failed')
      assert.equal('closed', state.state)
      assert.equal(1, state.calls)
      assert.equal(20, state.row)
      calls(narrow, 19, 'failed')
      assert.equal('open', state.state)
    end)
  )
end)
