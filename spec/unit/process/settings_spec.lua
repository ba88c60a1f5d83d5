-- SPDX-License-Identifier: MIT
local ffi = require 'ffi'
local c = require 'spec.support.c'
local lib = c.cdef 'base/limit.h'

-- Limits that refuse nothing by themselves: they shape another one, or nothing here reads them yet.
local SILENT = {
  queue_burst = true,
  call_timeout = true,
  value_references = true,
  heartbeat_interval = true,
  heartbeat_misses = true,
}

describe('process.settings', function()
  local settings, resolve, environment
  local getenv, before = os.getenv, {}
  local MODULES = { 'perilune.core', 'perilune.process.settings', 'perilune.cli.settings' }

  setup(function()
    for _, name in ipairs(MODULES) do
      before[name], package.loaded[name] = package.loaded[name], nil
    end
    package.loaded['perilune.core'] = { decode = require('cjson').decode }
    settings = require 'perilune.process.settings'
    resolve = require('perilune.cli.settings').resolve
    rawset(os, 'getenv', function(name)
      return environment[name]
    end)
  end)

  teardown(function()
    rawset(os, 'getenv', getenv)
    for _, name in ipairs(MODULES) do
      package.loaded[name] = before[name]
    end
  end)

  before_each(function()
    environment = {}
  end)

  it('knows the limits that are counted, and no others', function()
    local counted, hits = {}, ffi.new 'uint64_t[1]'
    local n = 0
    while lib.peri_limit_at(n, hits) ~= nil do
      counted[ffi.string(lib.peri_limit_at(n, hits))] = true
      n = n + 1
    end
    for _, row in ipairs(settings.limits) do
      local name = row[1]
      assert.equal(not SILENT[name], counted[name] or false, name)
      counted[name] = nil
    end
    assert.same({}, counted)
  end)

  it('has a range, a default inside it and a text for each limit', function()
    local conf = assert(resolve({}))
    for _, row in ipairs(settings.limits) do
      local rule = settings.schema[row[1]]
      assert.is_true(rule.min <= rule.default and rule.default <= rule.max, row[1])
      assert.is_true(#rule.help > 10, row[1])
      assert.equal(rule.default, settings.limits_of(conf)[row[1]])
      assert.matches('%(default [%d]+[KMG]?[ ms]*%)$', settings.help(row[1]))
    end
  end)

  it('lets flags win over the environment', function()
    environment.PERILUNE_QUEUE_AGE, environment.PERILUNE_CALLS_PER_CONNECTION = '7', '9'
    local conf = assert(resolve { queue_age = 3 })
    assert.equal(3, conf.queue_age)
    assert.equal(9, conf.calls_per_connection)
    assert.equal(65536, conf.connections_per_peer)
  end)

  it('reads bytes with K, M and G', function()
    environment.PERILUNE_FRAME_SIZE, environment.PERILUNE_PINNED_BYTES = '64K', '2GiB'
    environment.PERILUNE_OUTPUT_LIMIT = '3M'
    local conf = assert(resolve({}))
    assert.equal(65536, conf.frame_size)
    assert.equal(2 ^ 31, conf.pinned_bytes)
    assert.equal(3 * 2 ^ 20, conf.output_limit)
  end)

  it('refuses what is out of range with name, range and value', function()
    environment.PERILUNE_VALUE_DEPTH = '1000'
    local conf, message = resolve({})
    assert.is_nil(conf)
    assert.equal(
      'environment (PERILUNE_*): value_depth must be integer from 1 to 128, got 1000',
      message
    )
    environment = { PERILUNE_QUEUE_AGE = '20K' }
    conf, message = resolve({})
    assert.is_nil(conf)
    assert.matches("queue_age must be integer .-, got '20K'", message)
  end)
end)
