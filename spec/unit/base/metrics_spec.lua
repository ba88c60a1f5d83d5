-- SPDX-License-Identifier: MIT
jit.off(true, true) -- a callback from compiled code is fatal
local ffi = require 'ffi'
local c = require 'spec.support.c'
local lib = c.cdef 'base/metrics.h'

-- The table lives as long as the process; names differ from spec to spec.
local serial = 0
local function fresh(name)
  serial = serial + 1
  return ('spec_%s_%d_%d'):format(name, serial, os.time())
end

local function labelled(name, value)
  local labels = ffi.new('peri_metric_label[1]')
  labels[0].key, labels[0].value = 'method', value
  return lib.peri_metric_get_labelled(name, lib.PERI_METRIC_COUNTER, labels, 1)
end

local function snapshot()
  local all = {}
  local visit = ffi.cast('void (*)(void *, const char *, int, int64_t)', function(_, text, _, value)
    all[ffi.string(text)] = tonumber(value)
  end)
  lib.peri_metrics_each(ffi.cast('void *', visit), nil)
  visit:free()
  return all
end

describe('base.metrics', function()
  it('counts under one handle for one name', function()
    local name = fresh 'calls'
    local metric = lib.peri_metric_get(name, lib.PERI_METRIC_COUNTER)
    assert.equal(metric, lib.peri_metric_get(name, lib.PERI_METRIC_COUNTER))
    lib.peri_metric_add(metric, 2)
    lib.peri_metric_add(metric, 3)
    assert.equal(5, tonumber(lib.peri_metric_read(metric)))
    assert.equal(5, snapshot()[name])
  end)

  it('sums the slots of all threads; a leaving thread keeps its counts, not its gauges', function()
    local counter = lib.peri_metric_get(fresh 'sum', lib.PERI_METRIC_COUNTER)
    local gauge = lib.peri_metric_get(fresh 'open', lib.PERI_METRIC_GAUGE)
    lib.peri_metric_add(counter, 1)
    lib.peri_metrics_attach()
    lib.peri_metric_add(counter, 10)
    lib.peri_metric_set(gauge, 4)
    assert.equal(11, tonumber(lib.peri_metric_read(counter)))
    assert.equal(4, tonumber(lib.peri_metric_read(gauge)))
    lib.peri_metrics_detach()
    assert.equal(11, tonumber(lib.peri_metric_read(counter)))
    assert.equal(0, tonumber(lib.peri_metric_read(gauge)))
  end)

  it('keeps what a thread counted that has ended, whatever the next one sets', function()
    local counter = lib.peri_metric_get(fresh 'set', lib.PERI_METRIC_COUNTER)
    for share = 3, 1, -1 do
      lib.peri_metrics_attach()
      lib.peri_metric_set(counter, share)
      lib.peri_metrics_detach()
    end
    assert.equal(6, tonumber(lib.peri_metric_read(counter)))
  end)

  it('bounds label sets: the rest are counted as other', function()
    local name = fresh 'bounded'
    for i = 1, c.macro('base/metrics.h', 'PERI_METRIC_LABEL_SETS') + 50 do
      lib.peri_metric_add(labelled(name, 'm' .. i), 1)
    end
    local all = snapshot()
    assert.equal(1, all[name .. '{method="m1"}'])
    assert.equal(50, all[name .. '{method="other"}'])
    assert.is_nil(all[name .. '{method="m101"}'])
  end)

  it('escapes what peers put into labels', function()
    local name = fresh 'escape'
    lib.peri_metric_add(labelled(name, 'a"b\\c\nd' .. ('x'):rep(500)), 1)
    local found
    for text in pairs(snapshot()) do
      if text:sub(1, #name) == name then
        found = text
      end
    end
    assert.equal(name .. '{method="a\\"b\\\\c?d' .. ('x'):rep(57) .. '"}', found)
  end)

  it('swallows counts on handle 0', function()
    lib.peri_metric_add(0, 5)
    assert.equal(0, tonumber(lib.peri_metric_read(0)))
  end)
end)
