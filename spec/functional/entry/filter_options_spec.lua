-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('options of filters', function()
  it(
    'of a method win over those of the interface, those over the defaults',
    inside(function()
      local function f()
        return 1
      end
      local function passed(proxy, method)
        local n = 0
        for _ = 1, 6 do
          n = n + (perilune.call(proxy, method) and 1 or 0)
        end
        return n
      end
      perilune.defaults { limiter = { rate = 4, period = 60000 } }
      local service = { a = f, b = f, c = f }
      for _, side in ipairs { 'provider', 'consumer' } do
        local conf = {
          limiter = { rate = 3, period = 60000 },
          methods = { b = { limiter = { rate = 2, period = 60000 } }, c = { limiter = false } },
        }
        local off = { limiter = false }
        local proxy =
          serve(service, side == 'provider' and conf or off, side == 'consumer' and conf or off)
        assert.equal(3, passed(proxy, 'a'), side)
        assert.equal(2, passed(proxy, 'b'), side)
        assert.equal(6, passed(proxy, 'c'), side)
      end
      local proxy = serve(service, nil, { limiter = false })
      assert.equal(4, passed(proxy, 'a'))
    end)
  )

  it(
    'of one method leave the others and what they share alone',
    inside(function()
      local made = 0
      perilune.filter {
        name = 'counted',
        new = function()
          made = made + 1
          return function(ctx, call, next)
            return next(ctx, call)
          end
        end,
      }
      local active, most = 0, 0
      local function work()
        active = active + 1
        most = math.max(most, active)
        turns(3)
        active = active - 1
        return 1
      end
      local proxy = serve({ a = work, b = work }, { filters = { 'counted' } }, {
        concurrency = 2,
        filters = { 'counted' },
        methods = { a = { cache = { ttl = 1, single_flight = false } } },
      })
      assert.equal(2, made)
      local list = {}
      for i = 1, 8 do
        list[i] = perilune.async(proxy)[i % 2 == 0 and 'a' or 'b'](proxy)
      end
      assert(perilune.all(list):await())
      assert.equal(2, most, 'one limit for both methods')
    end)
  )

  it(
    'of attempts can be those of a method',
    inside(function()
      local seen = {}
      local function note(name)
        return function(ctx, call, next)
          seen[#seen + 1] = name .. ' ' .. call.method
          return next(ctx, call)
        end
      end
      local function f()
        return 1
      end
      local proxy = serve({ a = f, b = f }, nil, {
        attempt_filters = { note 'all' },
        methods = { b = { attempt_filters = { note 'own' } } },
      })
      proxy:a()
      proxy:b()
      assert.same({ 'all a', 'all b', 'own b' }, seen)
    end)
  )

  it(
    'put the filters in the order of the design',
    inside(function()
      local secret = 'sixteen bytes or more'
      local spec = require('perilune.entry.options').check('export', {
        interface = 'demo.Order',
        service = { f = print },
        cache = 1,
        validation = { { type = 'any' } },
        slow = 1,
        limiter = 1,
        method_list = { '*' },
        ip = { '*' },
        authorization = { {} },
        signature = { keys = { a = secret } },
        token = 'x',
        exception = true,
        access_log = true,
        trace = true,
        mock = { result = 1 },
        fault = { delay = 1, lasts = 1 },
      })
      local names = require('perilune.entry.exporter').compile(spec)[1].chain_names
      assert.equal(
        'trace access_log exception token signature authorization ip method_list mock limiter '
          .. 'timeout validation cache fault',
        table.concat(names, ' ')
      )
    end)
  )

  it(
    'that are unknown or of the wrong side are refused with a suggestion',
    inside(function()
      for part, export in pairs {
        ["unknown setting 'valdation'; did you mean 'validation'?"] = { valdation = {} },
        ["unknown setting 'breaker'"] = { breaker = true },
      } do
        local ok, message = pcall(serve, { f = print }, export)
        assert.is_false(ok)
        assert.truthy(message:find(part, 1, true), message)
      end
      local ok, message = pcall(serve, { f = print }, { methods = { f = { cach = 1 } } })
      assert.is_false(ok)
      assert.truthy(
        message:find("methods.f: unknown setting 'cach'; did you mean 'cache'?", 1, true)
      )
    end)
  )
end)

describe('a bad filter', function()
  it(
    'that calls next twice fails the call; the handler runs once',
    inside(function()
      local ran = 0
      local service = {
        f = function(_, x)
          ran = ran + 1
          return x
        end,
      }
      local function twice(ctx, call, next)
        next(ctx, call)
        return next(ctx, call)
      end
      perilune.filter('twice', twice)
      perilune.filter('fine', function(ctx, call, next)
        return next(ctx, call)
      end)
      for _, side in ipairs { 'provider', 'consumer' } do
        ran = 0
        local conf = { filters = { 'twice', 'fine' } }
        local proxy = serve(service, side == 'provider' and conf, side == 'consumer' and conf)
        local _, err = proxy:f(1)
        assert.equal('INTERNAL', err.code, side)
        assert.equal(1, ran, side)
        local lines = logged 'SCRIPT-ERROR'
        local text = lines[#lines].text
        assert.truthy(text:find('called next a second time', 1, true), text)
        assert.truthy(text:find('twice', 1, true), text)
      end
    end)
  )

  it(
    'that calls next after the end touches no other call',
    inside(function()
      local ran, kept, kept_ctx, kept_call = 0, nil, nil, nil
      local service = {
        f = function(_, x)
          ran = ran + 1
          return x
        end,
      }
      perilune.filter('keeper', function(ctx, call, next)
        if not kept then
          kept, kept_ctx, kept_call = next, ctx, call
        end
        return next(ctx, call)
      end)
      for _, side in ipairs { 'provider', 'consumer' } do
        ran, kept = 0, nil
        local conf = { filters = { 'keeper' } }
        local proxy = serve(service, side == 'provider' and conf, side == 'consumer' and conf)
        assert.equal('first', (proxy:f 'first'))
        local ok, result, err = pcall(kept, kept_ctx, kept_call)
        assert.truthy(not ok or err ~= nil, tostring(result))
        assert.equal(1, ran, side)
        assert.equal('second', (proxy:f 'second'))
        ok, result, err = pcall(kept, kept_ctx, kept_call)
        assert.truthy(not ok or err ~= nil, tostring(result))
        assert.equal(2, ran, side)
        local fine, message = pcall(function()
          return kept_ctx.peer or kept_ctx.call
        end)
        assert.is_false(fine)
        assert.truthy(tostring(message):find('used after demo.Spec', 1, true), tostring(message))
      end
    end)
  )

  it(
    'that throws while it is made, or makes something else, says so when loading',
    inside(function()
      perilune.filter {
        name = 'thrower',
        new = function()
          error 'a bug in new'
        end,
      }
      perilune.filter {
        name = 'tabler',
        new = function()
          return {}
        end,
      }
      for part, name in pairs {
        ["filter 'thrower': new() threw:"] = 'thrower',
        ["filter 'tabler': what new() made is a table; a filter is function"] = 'tabler',
      } do
        for _, refer in ipairs { false, true } do
          local ok, message
          if refer then
            ok, message = pcall(
              perilune.refer,
              { interface = 'demo.X', url = core.test_url(), filters = { name } }
            )
          else
            ok, message = pcall(serve, { f = print }, { filters = { name } })
          end
          assert.is_false(ok)
          assert.truthy(message:find(part, 1, true), message)
        end
      end
    end)
  )

  it(
    'in any of the new points is named with its contract',
    inside(function()
      for _, point in ipairs {
        'identity',
        'authorizer',
        'validator',
        'cache_key',
        'limiter',
        'mock',
        'warmup',
      } do
        local ok, message = pcall(perilune[point], 'odd', { 1 })
        assert.is_false(ok, point)
        assert.truthy(message:find(point .. " 'odd': is a table", 1, true), message)
      end
      for point, member in pairs { cache = 'get', breaker = 'allow' } do
        local ok, message = pcall(perilune[point], 'odd', {})
        assert.is_false(ok)
        assert.truthy(message:find(("misses member '%s'"):format(member), 1, true), message)
        ok, message = pcall(perilune[point], 'odd', function() end)
        assert.is_false(ok)
        assert.truthy(message:find('needs a table', 1, true), message)
      end
    end)
  )
end)
