-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'
local policy = require 'perilune.policy'
local plugin = require 'perilune.entry.filter.gradient'
local schema = require 'perilune.schema'
local testing = require 'perilune.testing'

local clock, now

local function new(settings)
  return plugin.new(assert(schema.apply(plugin.schema, settings or {})))
end

-- Starts `count` calls that all take `ms`; returns how many were let in.
local function burst(filter, count, ms)
  local running, admitted = {}, 0
  for _ = 1, count do
    local work = coroutine.create(function()
      return filter({}, {}, function()
        coroutine.yield()
        return 'done'
      end)
    end)
    coroutine.resume(work)
    if coroutine.status(work) == 'suspended' then
      admitted = admitted + 1
      running[admitted] = work
    end
  end
  now = now + ms
  for _, work in ipairs(running) do
    coroutine.resume(work)
  end
  return admitted
end

describe('filter gradient', function()
  before_each(function()
    clock, now = policy.clock, 1000
    policy.clock = function()
      return now
    end
  end)
  after_each(function()
    policy.clock = clock
  end)

  it('refuses what is above the limit, as something that may be tried elsewhere', function()
    local filter = new { initial = 3, min = 1 }
    assert.equal(3, burst(filter, 10, 10))
    local result, err
    for _ = 1, 20 do
      coroutine.wrap(function()
        local r, e = filter({}, {}, coroutine.yield)
        if e then
          result, err = r, e
        end
      end)()
    end
    assert.is_nil(result)
    assert.equal('OVERLOADED', err.code)
    assert.is_true(err.retryable)
  end)

  it('grows while calls stay as quick as usual', function()
    local filter = new { initial = 10, max = 40 }
    for _ = 1, 50 do
      burst(filter, 100, 10)
    end
    assert.equal(40, burst(filter, 100, 10))
  end)

  it('shrinks when calls get slower, and comes back', function()
    local filter = new { initial = 10, min = 2, max = 40 }
    for _ = 1, 50 do
      burst(filter, 100, 10)
    end
    for _ = 1, 5 do
      burst(filter, 100, 1000)
    end
    local shrunk = burst(filter, 100, 1000)
    assert.is_true(shrunk < 20, shrunk .. ' is still let in')
    for _ = 1, 200 do
      burst(filter, 100, 10)
    end
    assert.equal(40, burst(filter, 100, 10))
  end)

  it('learns nothing while it is idle', function()
    local filter = new { initial = 10 }
    for _ = 1, 100 do
      burst(filter, 1, 10)
    end
    assert.equal(10, burst(filter, 100, 10))
  end)

  it('counts calls down that throw', function()
    local filter = new { initial = 1, min = 1, max = 1 }
    for _ = 1, 3 do
      local ok, message = pcall(filter, {}, {}, function()
        error('broken', 0)
      end)
      assert.is_false(ok)
      assert.equal('broken', message)
    end
  end)

  it('is found by its name, and refuses settings that contradict', function()
    policy.clock = clock
    perilune.export {
      interface = 'spec.Gradient',
      service = {
        echo = function(_, text)
          return text
        end,
      },
      filters = { 'gradient' },
    }
    local url = testing.listen():gsub('^tcp', 'joyrpc')
    local echo = perilune.refer { interface = 'spec.Gradient', url = url }
    assert.equal('moon', perilune.check(echo:echo 'moon'))
    local none, message = new { min = 10, max = 5 }
    assert.is_nil(none)
    assert.equal('min must not be above max', message)
  end)
end)
