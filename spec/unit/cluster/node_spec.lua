-- SPDX-License-Identifier: MIT
require 'spec.support.c'
local ffi = require 'ffi'
local C = require 'perilune.ffi'

ffi.cdef 'bool peri_budget_take_at(peri_budget *budget, double calls, double now);'

local function make(n)
  local list = ffi.new('peri_counters *[?]', n)
  for i = 0, n - 1 do
    list[i] = C.peri_counters_new(('10.0.0.%d:1'):format(i))
  end
  local function free()
    for i = 0, n - 1 do
      C.peri_counters_free(list[i])
    end
  end
  return list, free
end

describe('cluster/node', function()
  it('interns the state of an address and forgets it with its last holder', function()
    collectgarbage() -- what other specs left would go while we count
    collectgarbage()
    local before = C.peri_node_count()
    local a, b = C.peri_counters_new 'x:1', C.peri_counters_new 'x:1'
    assert.equal(a.node, b.node)
    assert.equal(before + 1, C.peri_node_count())
    C.peri_node_connect(a.node, 1)
    C.peri_node_set_offline(a.node, true)
    assert.equal(1, C.peri_node_connected(b.node))
    assert.is_true(C.peri_node_offline(b.node))
    C.peri_node_eject(a.node, 100)
    assert.is_true(C.peri_node_ejected(b.node, 99))
    assert.is_false(C.peri_node_ejected(b.node, 101))
    C.peri_counters_free(a)
    assert.equal(before + 1, C.peri_node_count())
    C.peri_counters_free(b)
    assert.equal(before, C.peri_node_count())
  end)

  it('counts attempts per VM and sums them', function()
    local a, b = C.peri_counters_new 'y:1', C.peri_counters_new 'y:1'
    local began = C.peri_counters_begin(a)
    C.peri_counters_begin(a)
    C.peri_counters_begin(b)
    assert.equal(2, a.active)
    assert.equal(3, C.peri_node_total(b.node))
    C.peri_counters_done(a, began, true)
    assert.equal(1, a.active)
    assert.equal(1, tonumber(a.errors))
    assert.is_true(a.latency > 0)
    C.peri_counters_done(a, began, false)
    C.peri_counters_done(b, began, false)
    C.peri_counters_done(b, began, false)
    assert.equal(0, b.active)
    C.peri_counters_free(a)
    C.peri_counters_free(b)
  end)

  it('believes a peak at once and an improvement with time', function()
    local c = C.peri_counters_new 'z:1'
    C.peri_counters_sample(c, 1000, 5, false)
    assert.equal(5, c.latency)
    C.peri_counters_sample(c, 1001, 80, false)
    assert.equal(80, c.latency)
    C.peri_counters_sample(c, 1002, 5, false)
    assert.is_true(c.latency > 79)
    C.peri_counters_sample(c, 6002, 5, false)
    assert.is_true(c.latency > 30 and c.latency < 35)
    C.peri_counters_free(c)
  end)

  it('makes a failure cost more than the worst call', function()
    local c = C.peri_counters_new 'z:1'
    C.peri_counters_sample(c, 1000, 5, false)
    C.peri_counters_sample(c, 1001, 0.1, true)
    assert.equal(10, c.latency)
    C.peri_counters_free(c)
  end)

  it('forgets an old latency when it compares', function()
    local c = C.peri_counters_new 'z:1'
    C.peri_counters_sample(c, 1000, 100, false)
    assert.equal(101, C.peri_counters_load(c, 1000))
    assert.is_true(C.peri_counters_load(c, 61000) < 1.01)
    C.peri_counters_free(c)
  end)
end)

describe('cluster/balance', function()
  local balance
  before_each(function()
    balance = ffi.gc(C.peri_balance_new(4711), C.peri_balance_free)
  end)

  local function shares(list, n, choose, rounds)
    local count = {}
    for i = 0, n - 1 do
      count[i] = 0
    end
    for _ = 1, rounds do
      local i = choose(balance, list, n)
      count[i] = count[i] + 1
    end
    return count
  end

  it('gives each node its share of the weight, the first and the last too', function()
    local list, free = make(4)
    for i, weight in ipairs { 100, 0, 200, 100 } do
      list[i - 1].weight = weight
    end
    local count = shares(list, 4, C.peri_balance_weighted, 40000)
    assert.is_true(math.abs(count[0] - 10000) < 400)
    assert.equal(0, count[1])
    assert.is_true(math.abs(count[2] - 20000) < 400)
    assert.is_true(math.abs(count[3] - 10000) < 400)
    free()
  end)

  it('never chooses a leading node of weight 0', function()
    local list, free = make(2)
    list[0].weight, list[1].weight = 0, 1
    assert.same({ [0] = 0, 1000 }, shares(list, 2, C.peri_balance_weighted, 1000))
    free()
  end)

  it('chooses evenly when all weights are 0', function()
    local list, free = make(2)
    list[0].weight, list[1].weight = 0, 0
    local count = shares(list, 2, C.peri_balance_weighted, 10000)
    assert.is_true(math.abs(count[0] - 5000) < 300)
    free()
  end)

  it('p2c prefers the fast node and still asks all equal ones', function()
    local list, free = make(3)
    local now = C.peri_counters_begin(list[0])
    C.peri_counters_done(list[0], now, false)
    for i, latency in ipairs { 1, 1, 50 } do
      list[i - 1].latency = 0
      C.peri_counters_sample(list[i - 1], now, latency, false)
    end
    local count = shares(list, 3, C.peri_balance_p2c, 9000)
    assert.is_true(count[2] < 10)
    assert.is_true(math.abs(count[0] - count[1]) < 500)
    free()
  end)

  it('p2c shares by weight among equals and asks nobody of weight 0', function()
    local list, free = make(2)
    list[1].weight = 300
    local count = shares(list, 2, C.peri_balance_p2c, 10000)
    assert.is_true(math.abs(count[1] - 7500) < 300)
    list[1].weight = 0
    assert.equal(0, shares(list, 2, C.peri_balance_p2c, 1000)[1])
    free()
  end)

  it('p2c turns to the shorter queue', function()
    local list, free = make(2)
    for _ = 1, 9 do
      C.peri_counters_begin(list[0])
    end
    assert.is_true(shares(list, 2, C.peri_balance_p2c, 10000)[0] < 40)
    free()
  end)

  it('finds the minimum, each of equals with the same chance', function()
    local list, free = make(3)
    C.peri_counters_begin(list[1])
    local count = { [0] = 0, 0, 0 }
    for _ = 1, 3000 do
      local i = C.peri_balance_min(balance, list, 3, 0)
      count[i] = count[i] + 1
    end
    assert.equal(0, count[1])
    assert.is_true(math.abs(count[0] - 1500) < 150)
    free()
  end)
end)

describe('cluster/budget', function()
  it('is one per service and process', function()
    local a, b = C.peri_budget_ref('s', 0.2, 10), C.peri_budget_ref('s', 0.2, 10)
    assert.equal(a, b)
    C.peri_budget_unref(a)
    C.peri_budget_unref(b)
  end)

  it('is another one for other figures, and grants nothing where they are 0', function()
    local usual, none = C.peri_budget_ref('v', 0.2, 10), C.peri_budget_ref('v', 0, 0)
    assert.is_true(usual ~= none)
    assert.is_false(C.peri_budget_take_at(none, 1000, 1000))
    assert.is_false(C.peri_budget_take_at(none, 1000, 9000))
    assert.is_true(C.peri_budget_take_at(usual, 0, 1000))
    C.peri_budget_unref(usual)
    C.peri_budget_unref(none)
  end)

  it('grants a burst, then a fifth of the calls and ten a second', function()
    local budget = C.peri_budget_ref('t', 0.2, 10)
    local function granted(tries, calls, from, step)
      local n = 0
      for i = 1, tries do
        n = n + (C.peri_budget_take_at(budget, calls, from + i * step) and 1 or 0)
      end
      return n
    end
    assert.equal(100, granted(1000, 0, 1000, 0))
    assert.equal(200, granted(1000, 1, 1000, 0))
    assert.equal(10, granted(1000, 0, 1000, 1))
    C.peri_budget_unref(budget)
  end)

  it('does not save up what was not used', function()
    local budget = C.peri_budget_ref('u', 0.2, 10)
    local n = 0
    C.peri_budget_take_at(budget, 1e6, 1000)
    for _ = 1, 1000 do
      n = n + (C.peri_budget_take_at(budget, 0, 1000) and 1 or 0)
    end
    assert.equal(99, n)
    C.peri_budget_unref(budget)
  end)
end)
