-- SPDX-License-Identifier: MIT
local generation = require 'perilune.generation'
local plugin = require 'perilune.plugin'
local schema = require 'perilune.schema'
local order = require 'perilune.order'

local function names(list)
  local out = {}
  for i, item in ipairs(list) do
    out[i] = item.name
  end
  return table.concat(out, ' ')
end

local function message_of(fn, ...)
  local ok, message = pcall(fn, ...)
  assert.is_false(ok)
  return message
end

local function contains(text, part)
  assert(tostring(text):find(part, 1, true), ('%q lacks %q'):format(tostring(text), part))
end

describe('plugin', function()
  local before
  before_each(function()
    before = plugin.snapshot()
  end)
  after_each(function()
    plugin.restore(before)
  end)

  it('finds what a script registered', function()
    local route = function() end
    plugin.register('router', 'mine', route)
    assert.equal(route, (plugin.use('router', 'mine')))
    assert.equal('mine', plugin.loaded('router', 'mine').name)
  end)

  it('says the place, the plugin, the point and the missing member', function()
    local message = message_of(plugin.register, 'registry', { name = 'mine', close = print })
    contains(message, 'plugin_spec.lua:')
    contains(message, "registry 'mine': misses member 'subscribe' (a function)")
  end)

  it('says which member has the wrong type', function()
    contains(
      message_of(plugin.register, 'loadbalance', 'mine', { pick = 7 }),
      "member 'pick' must be a function, got a number"
    )
    contains(
      message_of(plugin.register, 'selector', 'm', { by = 'x', want = print, otherwise = 'nil' }),
      "otherwise must be 'none', 'all' or 'error'"
    )
  end)

  it('refuses bad names and names that are taken', function()
    contains(message_of(plugin.register, 'router', 'Bad-Name', print), "'Bad-Name': a name is")
    plugin.register('router', 'once', print)
    contains(message_of(plugin.register, 'router', 'once', print), 'is registered already at')
    plugin.begin(2)
    generation.loading = 2
    plugin.register('router', 'once', print)
    assert.equal(print, (plugin.use('router', 'once')))
    generation.loading = false
    plugin.drop(2)
  end)

  it('suggests the name that was meant', function()
    local instance, message = plugin.use('loadbalance', 'p2x')
    assert.is_nil(instance)
    assert.equal("loadbalance 'p2x' unknown; did you mean 'p2c'?", message)
  end)

  it('loads on first use from the Lua path, and only then', function()
    package.preload['perilune.cluster.router.lazy'] = function()
      return { route = function() end }
    end
    assert.is_nil(plugin.loaded('router', 'lazy'))
    assert.is_table((plugin.use('router', 'lazy')))
    assert.is_table(plugin.loaded('router', 'lazy'))
    package.preload['perilune.cluster.router.lazy'] = nil
    package.loaded['perilune.cluster.router.lazy'] = nil
  end)

  it('tells a broken plugin from one that is not there', function()
    package.preload['perilune.cluster.router.broken'] = function()
      error 'syntax of a kind'
    end
    local _, message = plugin.use('router', 'broken')
    contains(message, "router 'broken' does not load")
    contains(message, 'syntax of a kind')
    package.preload['perilune.cluster.router.broken'] = nil
  end)

  it('knows two providers of one name', function()
    local a, b = function() end, function() end
    plugin.register('router', { name = 'shared', provider = 'a', route = a })
    plugin.register('router', { name = 'shared', provider = 'b', route = b })
    assert.equal(a, plugin.use('router', 'shared@a').route)
    assert.equal(b, plugin.use('router', 'shared@b').route)
    assert.equal(a, plugin.use('router', 'shared').route)
  end)

  it('never asks the file system for a name that is none', function()
    local _, message = plugin.use('router', '../../etc/passwd')
    contains(message, 'is no name')
  end)

  it('makes instances with checked settings', function()
    plugin.register('filter', {
      name = 'quota',
      side = 'provider',
      schema = { limit = { type = 'integer', min = 1, default = 100 } },
      new = function(conf)
        return function()
          return conf.limit
        end
      end,
    })
    assert.equal(100, plugin.use('filter', 'quota')())
    assert.equal(7, plugin.use('filter', { 'quota', limit = 7 })())
    local _, message = plugin.use('filter', { 'quota', limit = 0 })
    assert.equal("filter 'quota': limit must be integer of at least 1, got 0", message)
    _, message = plugin.use('filter', { 'quota', limits = 1 })
    assert.equal("filter 'quota': unknown setting 'limits'; did you mean 'limit'?", message)
  end)

  it('checks what new() made', function()
    plugin.register('loadbalance', {
      name = 'odd',
      new = function()
        return {}
      end,
    })
    local _, message = plugin.use('loadbalance', 'odd')
    contains(message, "what new() made misses member 'pick'")
  end)

  it('takes a function or table given in place', function()
    assert.equal(print, (plugin.use('router', print)))
    local _, message = plugin.use('registry', print)
    contains(message, 'is a function; this point needs a table')
  end)

  it('refuses a field nobody reads', function()
    contains(
      message_of(plugin.register, 'filter', { name = 'x', afer = {}, new = print }),
      "unknown field 'afer'; did you mean 'after'?"
    )
  end)

  it('lists points with defaults', function()
    local found
    for _, row in ipairs(plugin.list()) do
      if row.point == 'loadbalance' and row.default then
        found = row.name
      end
    end
    assert.equal('p2c', found)
  end)
end)

describe('what must not wait', function()
  local waiting = require 'perilune.waiting'

  local function probe()
    if waiting.forbidden then
      error(waiting.forbidden, 0)
    end
    return 1, nil, 3
  end

  it('is held to it, whatever form it has, and nothing else is', function()
    local held = waiting.policy("selector 'x'", true, { want = probe, by = 'zone' })
    assert.equal('zone', held.by)
    local ok, message = pcall(held.want)
    assert.is_false(ok)
    contains(message, "selector 'x' must not wait")
    assert.is_false(waiting.forbidden)
    held = waiting.policy('group', { 'choose' }, { choose = probe, invoke = probe })
    assert.is_false(pcall(held.choose))
    assert.is_true(pcall(held.invoke))
    assert.is_true(pcall(plugin.use('filter', probe)))
    assert.is_false(pcall((plugin.use('selector', probe))))
  end)

  it('gives its results, and its errors as they are', function()
    local function sum(a, b)
      return a + b, nil, 3
    end
    assert.same({ 3, nil, 3 }, { waiting.without('x', sum)(1, 2) })
    local thrown = require('perilune.error').new('LIMITED')
    local ok, err = pcall(waiting.without('x', error), thrown, 0)
    assert.is_false(ok)
    assert.equal(thrown, err)
    assert.is_false(waiting.forbidden)
  end)
end)

describe('schema', function()
  it('fills defaults without touching the input', function()
    local conf = { b = true }
    local got = schema.apply({ a = { default = 1 }, b = { type = 'boolean' } }, conf)
    assert.same({ a = 1, b = true }, got)
    assert.is_nil(conf.a)
  end)

  it('says what is wrong', function()
    local cases = {
      { { a = { required = true, type = 'string' } }, {}, 'a is required (string)' },
      { { a = { type = 'integer' } }, { a = 1.5 }, 'a must be integer, got 1.5' },
      { { a = { enum = { 'x', 'y' } } }, { a = 'z' }, "a must be one of 'x', 'y', got 'z'" },
      { { a = { type = 'number', min = 1, max = 2 } }, { a = 3 }, 'number from 1 to 2, got 3' },
      {
        { a = { type = 'list', items = { type = 'string' } } },
        { a = { 1 } },
        'a[1] must be string',
      },
      {
        { a = { fields = { b = { type = 'number' } } } },
        { a = { b = 'x' } },
        'a.b must be number',
      },
      { { a = { pattern = '^%d+$' } }, { a = 'x' }, "must match '^%d+$'" },
    }
    for _, case in ipairs(cases) do
      local got, message = schema.apply(case[1], case[2])
      assert.is_nil(got)
      contains(message, case[3])
    end
  end)

  it('checks the schema itself', function()
    contains(schema.check_schema { a = { typ = 'string' } }, "no rule 'typ'; did you mean 'type'?")
    contains(schema.check_schema { a = { type = 'int' } }, "no type 'int'")
    contains(schema.check_schema { a = { type = 'string', default = 7 } }, 'default of a must be')
    for wrong, rule in pairs {
      ["'a': enum must be a list"] = { enum = 'fast' },
      ["'a': min must be a number, got 'x'"] = { type = 'integer', min = 'x' },
      ["'a': min 5 is more than max 1"] = { type = 'integer', min = 5, max = 1 },
      ["'a': items must be a table, got 'string'"] = { type = 'list', items = 'string' },
      ["'a[]': no type 'x'"] = { type = 'list', items = { type = 'x' } },
      ["'a': fields must be a table"] = { fields = 5 },
      ["'a.b': no type 'x'"] = { fields = { b = { type = 'x' } } },
      ["'a': pattern 'a[' misses the ']'"] = { type = 'string', pattern = 'a[' },
      ["'a': required must be a boolean"] = { required = 'yes' },
    } do
      contains(schema.check_schema { a = rule } or 'nothing', wrong)
    end
    assert.is_nil(schema.check_schema { a = { type = 'string', default = 'x' } })
  end)
end)

describe('order', function()
  it('keeps the list without wishes', function()
    assert.equal('c a b', names(order.sort { { name = 'c' }, { name = 'a' }, { name = 'b' } }))
  end)

  it('moves only what wants to move', function()
    local list = {
      { name = 'a' },
      { name = 'b', after = { 'd' } },
      { name = 'c' },
      { name = 'd' },
      { name = 'e', before = { 'a' } },
    }
    assert.equal('c d b e a', names(order.sort(list)))
  end)

  it('shows the circle', function()
    local sorted, message = order.sort {
      { name = 'x' },
      { name = 'a', after = { 'b' } },
      { name = 'b', after = { 'c' } },
      { name = 'c', after = { 'a' } },
    }
    assert.is_nil(sorted)
    assert.equal('circle: a after b after c after a', message)
  end)

  it('warns about names that are not there', function()
    local sorted, warnings = order.sort(
      { { name = 'a', after = { 'ghost', 'auth' } } },
      { auth = true }
    )
    assert.equal(1, #sorted)
    assert.same({ "'a' wants to stand after 'ghost', which is not there" }, warnings)
  end)
end)
