-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('filter limiter', function()
  it(
    'admits a burst and then the rate, per method',
    inside(function()
      local service = {
        a = function()
          return 'a'
        end,
        b = function()
          return 'b'
        end,
      }
      local proxy = serve(service, { limiter = { rate = 10, burst = 3 } })
      local function count(method, n)
        local passed, last = 0, nil
        for _ = 1, n do
          local result, err = proxy[method](proxy)
          passed = passed + (result and 1 or 0)
          last = err or last
        end
        return passed, last
      end
      local passed, err = count('a', 10)
      assert.equal(3, passed)
      assert.equal('LIMITED', err.code)
      assert.is_false(err.retryable)
      assert.truthy(err.message:find('more than 10 calls per 1000 ms', 1, true))
      assert.equal(3, (count('b', 10)))
      advance(210)
      assert.equal(2, (count('a', 10)))
      advance(5000)
      assert.equal(3, (count('a', 10)))
      assert.equal(7 + 7 + 8 + 7, counted.perilune_limited)
    end)
  )

  it(
    'tells callers apart, and gives the most specific rule to each',
    inside(function()
      local service = {
        get = function()
          return 1
        end,
        put = function()
          return 1
        end,
      }
      local proxy = serve(service, {
        limiter = {
          period = 60000,
          identity = { 'attachment', name = 'app' },
          rules = {
            { rate = 5 },
            { method = 'put', rate = 4 },
            { caller = 'shop*', rate = 3, by = { 'caller' } },
            { caller = 'shop*', method = 'put', rate = 2, by = { 'caller' } },
          },
        },
      })
      local function passed(app, method)
        local one = perilune.with(proxy, { attachments = { app = app } })
        local n = 0
        for _ = 1, 8 do
          n = n + (one[method](one) and 1 or 0)
        end
        return n
      end
      assert.equal(3, passed('shop1', 'get'))
      assert.equal(3, passed('shop2', 'get'))
      assert.equal(2, passed('shop1', 'put'))
      assert.equal(4, passed('other', 'put'))
      assert.equal(0, passed('another', 'put'))
      assert.equal(5, passed('other', 'get'))
    end)
  )

  it(
    'makes calls wait for their turn in a leaky bucket, at most until they are cancelled',
    inside(function()
      local served = {}
      local proxy = serve(
        {
          f = function(_, i)
            served[#served + 1] = i
            return i
          end,
        },
        nil,
        {
          limiter = { rate = 10, burst = 4, algorithm = 'leaky_bucket' },
          timeout = 10000,
        }
      )
      local list = {}
      for i = 1, 6 do
        list[i] = perilune.async(proxy):f(i)
      end
      for i = 5, 6 do
        local _, err = list[i]:await()
        assert.equal('LIMITED', err.code)
        assert.truthy(err.details.retry_after > 0)
      end
      assert.equal(1, (list[1]:await()))
      assert.same({ 1 }, served)
      list[3]:cancel()
      advance(101)
      assert.equal(2, (list[2]:await()))
      assert.same({ 1, 2 }, served)
      advance(220)
      assert.equal(4, (list[4]:await()))
      assert.same({ 1, 2, 4 }, served)
    end)
  )

  it(
    'lets no call wait in a leaky bucket for a turn beyond its deadline',
    inside(function()
      local proxy = serve(
        {
          f = function(_, i)
            return i
          end,
        },
        nil,
        {
          limiter = { rate = 10, burst = 100, algorithm = 'leaky_bucket' },
          timeout = 250,
        }
      )
      local list = {}
      for i = 1, 20 do
        list[i] = perilune.async(proxy):f(i)
      end
      for i = 4, 20 do
        local _, err = list[i]:await()
        assert.equal('LIMITED', err.code)
      end
      advance(201)
      assert.equal(3, (list[3]:await()))
      advance(100)
      assert.equal(21, (proxy:f(21))) -- nobody waits in front of it
    end)
  )

  it(
    'tells limits of one rate and different periods apart',
    inside(function()
      local service = {
        f = function()
          return 1
        end,
      }
      local proxy, interface = serve(service, nil, { limiter = { rate = 1, period = 1000 } })
      local other = perilune.refer {
        interface = interface,
        url = core.test_url(),
        limiter = { rate = 1, period = 60000 },
      }
      assert.equal(1, (proxy:f()))
      assert.equal(1, (other:f()))
      advance(1001)
      assert.equal(1, (proxy:f()))
      assert.equal('LIMITED', select(2, other:f()).code)
    end)
  )

  it(
    'of a service counts apart from that of who calls it in the same process',
    inside(function()
      local proxy = serve({
        f = function()
          return 1
        end,
      }, { limiter = { rate = 2, period = 60000 } }, { limiter = { rate = 2, period = 60000 } })
      assert.equal(1, (proxy:f()))
      assert.equal(1, (proxy:f()))
      local _, err = proxy:f()
      assert.equal('LIMITED', err.code)
    end)
  )

  it(
    'refuses settings that say nothing or the wrong thing',
    inside(function()
      for part, conf in pairs {
        ['says nothing'] = true,
        ['rate must be number from 1e-06 to 1000000000000, got 0'] = 0,
        ['rate must be number from 1e-06 to 1000000000000, got inf'] = math.huge,
        ['rules[1].rate is required (number from 1e-06 to 1000000000000)'] = { { method = 'x' } },
        ["unknown setting 'rules[1].methd'"] = { { methd = 'x', rate = 1 } },
        ["by: 'moon' is none of caller, method"] = { rate = 1, by = { 'moon' } },
        ["limiter 'token' unknown; did you mean"] = { rate = 1, algorithm = 'token_buket' },
        ["identity 'who' unknown"] = { rate = 1, identity = 'who' },
      } do
        local ok, message = pcall(serve, { f = print }, { limiter = conf })
        assert.is_false(ok)
        part = part:gsub("'token'", "'token_buket'")
        assert.truthy(message:find(part, 1, true), message)
      end
    end)
  )

  it(
    'takes a limiter of its own',
    inside(function()
      local seen = {}
      perilune.limiter('odd', function(key, rule)
        seen[#seen + 1] = rule.rate
        if #seen % 2 == 0 then
          return nil, 7
        end
        return 0
      end)
      local proxy = serve({
        f = function()
          return 1
        end,
      }, nil, { limiter = { rate = 9, algorithm = 'odd' } })
      assert.equal(1, (proxy:f()))
      local _, err = proxy:f()
      assert.equal(7, err.details.retry_after)
      assert.same({ 9, 9 }, seen)
    end)
  )
end)
