-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('a coroutine of a script', function()
  it(
    'may call a service: a generator',
    inside(function()
      local greeter = serve {
        page = function(_, i)
          turns(1)
          return i <= 3 and 'page ' .. i or nil
        end,
      }
      local pages = coroutine.wrap(function()
        local i = 1
        while true do
          local page = greeter:page(i)
          if not page then
            return
          end
          coroutine.yield(page, i)
          i = i + 1
        end
      end)
      local seen = {}
      for page, i in pages do
        seen[i] = page
      end
      assert.same({ 'page 1', 'page 2', 'page 3' }, seen)
    end)
  )

  it(
    'passes waits outward through coroutines in coroutines',
    inside(function()
      local function nested(depth)
        local co = coroutine.create(function(...)
          perilune.sleep(0)
          if depth > 0 then
            local ok, result = coroutine.resume(nested(depth - 1), depth)
            assert(ok, result)
            coroutine.yield(result)
          end
          perilune.sleep(0)
          return 'deep ' .. select('#', ...)
        end)
        return co
      end
      local co = nested(5)
      local ok, result = coroutine.resume(co, 1, nil)
      assert.is_true(ok)
      assert.equal('deep 1', result)
      assert.equal('suspended', coroutine.status(co))
      ok, result = coroutine.resume(co)
      assert.is_true(ok)
      assert.equal('deep 2', result)
      assert.equal('dead', coroutine.status(co))
    end)
  )

  it(
    'keeps values, nil and errors as they are',
    inside(function()
      local co = coroutine.create(function(a, b, c)
        local d, e = coroutine.yield(a, nil, c)
        error { d, e }
      end)
      local function pack(...)
        return { n = select('#', ...), ... }
      end
      assert.same({ n = 4, true, 1, nil, 3 }, pack(coroutine.resume(co, 1, 2, 3)))
      local ok, err = coroutine.resume(co, 'x', 'y')
      assert.is_false(ok)
      assert.same({ 'x', 'y' }, err)
      ok, err = coroutine.resume(co)
      assert.is_false(ok)
      assert.truthy(err:find('dead', 1, true))
      assert.has_error(
        coroutine.wrap(function()
          perilune.sleep(0)
          error('raised', 0)
        end),
        'raised'
      )
    end)
  )

  it(
    'left behind in a wait is harmless',
    inside(function()
      for _ = 1, 10 do
        local step = coroutine.wrap(function()
          for i = 1, 10 do
            perilune.sleep(0)
            coroutine.yield(i)
          end
        end)
        step()
      end
      collectgarbage()
    end)
  )

  it(
    'may wait in pcall, xpcall, iterators and metamethods',
    inside(function()
      local waiting = setmetatable({}, {
        __index = function(_, key)
          perilune.sleep(0)
          return key .. '!'
        end,
        __add = function()
          perilune.sleep(0)
          return 'sum'
        end,
        __call = function()
          perilune.sleep(0)
          return 'called'
        end,
      })
      assert.equal('x!', waiting.x)
      assert.equal('sum', waiting + 1)
      assert.equal('called', waiting())
      local ok, result = xpcall(function()
        return select(
          2,
          pcall(function()
            perilune.sleep(0)
            return 'from within'
          end)
        )
      end, debug.traceback)
      assert.is_true(ok)
      assert.equal('from within', result)
      local n = 0
      for i in
        function(_, i)
          perilune.sleep(0)
          i = (i or 0) + 1
          return i <= 3 and i or nil
        end
      do
        n = n + i
      end
      assert.equal(6, n)
    end)
  )

  it(
    'cannot wait inside a C function, and is told so',
    inside(function()
      local ok, message = pcall(table.sort, { 3, 2, 1 }, function(a, b)
        perilune.sleep(0)
        return a < b
      end)
      assert.is_false(ok)
      assert.truthy(message:find('C-call boundary', 1, true), message)
      ok, message = pcall(string.gsub, 'abc', 'b', function()
        perilune.sleep(0)
      end)
      assert.is_false(ok)
      assert.truthy(message:find('C-call boundary', 1, true), message)
      package.preload['spec.waits'] = function()
        perilune.sleep(0)
      end
      ok, message = pcall(require, 'spec.waits')
      assert.is_false(ok)
      assert.truthy(message:find('C-call boundary', 1, true), message)
      -- The fiber itself is unharmed.
      perilune.sleep(0)
    end)
  )

  it(
    'yield outside of one of its own says what to use',
    inside(function()
      local ok, message = pcall(coroutine.yield, 1)
      assert.is_false(ok)
      assert.truthy(message:find('perilune.sleep', 1, true))
    end)
  )
end)

describe('perilune.sleep', function()
  it(
    'refuses what is no duration',
    inside(function()
      for _, wrong in ipairs { -1, 0 / 0, 'x', {}, true } do
        assert.is_false((pcall(perilune.sleep, wrong)))
      end
      assert.is_false((pcall(perilune.sleep)))
    end)
  )

  it(
    'lasts as long as asked',
    inside(function()
      local ended
      perilune.spawn(function()
        perilune.sleep(5000)
        ended = true
      end)
      turns(3)
      advance(4900)
      assert.is_nil(ended)
      advance(200)
      assert.is_true(ended)
    end)
  )
end)

describe('perilune.spawn', function()
  it(
    'hands over arguments, nil too, and counts what is thrown',
    inside(function()
      local got
      perilune.spawn(function(...)
        got = { n = select('#', ...), ... }
      end, 1, nil, 3, nil)
      perilune.spawn(function()
        error 'lost in a fiber'
      end)
      turns(2)
      assert.same({ n = 4, 1, nil, 3, nil }, got)
      assert.equal(1, stats().script_errors)
      assert.is_false((pcall(perilune.spawn, 'x')))
      assert.is_false((pcall(perilune.detached)))
    end, { script_errors = true })
  )

  it(
    'runs thousands',
    inside(function()
      local n = 0
      for _ = 1, 5000 do
        perilune.spawn(function()
          perilune.sleep(0)
          n = n + 1
        end)
      end
      eventually(function()
        return n == 5000
      end)
    end)
  )
end)

describe('a fiber', function()
  it(
    'is not woken by the id of an earlier task',
    inside(function()
      local id
      core.spawn(function()
        id = core.fiber()
      end)
      turns(2)
      local woken
      core.spawn(function()
        assert(core.fiber() ~= id)
        woken = { core.park(50) }
      end)
      turns(2)
      assert.is_false(core.wake(id, 'stray'))
      assert.is_false(core.cancel(id))
      advance(60)
      assert.same({ false, 'TIMEOUT' }, woken)
    end)
  )

  it(
    'takes one wake, and gets its value',
    inside(function()
      local id, got
      core.spawn(function()
        id = core.fiber()
        got = { core.park() }
      end)
      turns(2)
      assert.is_true(core.wake(id, 'value'))
      assert.is_false(core.wake(id, 'again'))
      turns(2)
      assert.same({ true, 'value' }, got)
    end)
  )

  it(
    'shows what it waits for and where',
    inside(function()
      local settle
      perilune.spawn(function()
        local future
        future, settle = perilune.future()
        future:await()
      end)
      turns(2)
      local found
      for _, fiber in ipairs(core.fibers()) do
        if fiber.wait == 'park' then
          found = fiber
        end
      end
      assert.truthy(found.traceback:find('await', 1, true))
      assert.truthy(found.since >= 0)
      settle()
    end)
  )

  it(
    'waits as long as it asked for after a turn that took long',
    inside(function()
      core.test_advance(300)
      local began = core.hrtime()
      perilune.sleep(200)
      assert.is_true(core.hrtime() - began >= 200)
    end)
  )

  it(
    'gives calls their time after a turn that took long, but none beyond its deadline',
    inside(function()
      local greeter = serve {
        slow = function()
          turns(10)
          return 'done'
        end,
      }
      local busy = serve {
        call = function()
          core.test_advance(300)
          return perilune.with(greeter, { timeout = 100 }):slow()
        end,
      }
      assert.equal('done', greeter:slow())
      assert.equal('done', (busy:call()))
      local began = core.hrtime()
      local _, err = perilune.with(busy, { timeout = 250 }):call()
      assert.equal('TIMEOUT', err.code)
      assert.is_true(core.hrtime() - began < 350)
    end)
  )

  it(
    'that a script resumes by itself ends, and nothing else does',
    inside(function()
      local co
      local greeter = serve {
        hello = function()
          co = coroutine.running()
          perilune.sleep(5)
          return 'hello'
        end,
      }
      local waiting = perilune.async(greeter):hello()
      eventually(function()
        return co
      end)
      coroutine.resume(co)
      local _, err = waiting:await()
      assert.equal('INTERNAL', err.code)
      assert.equal(1, stats().script_errors)
    end, { script_errors = true })
  )

  it(
    'that raises past every guard is logged and counted, the VM goes on',
    inside(function()
      local n = 0
      for _ = 1, 3 do
        core.spawn(function()
          error 'unguarded'
        end)
      end
      core.spawn(function()
        n = n + 1
      end)
      turns(2)
      assert.equal(1, n)
      assert.equal(3, stats().script_errors)
    end, { script_errors = true })
  )
end)
