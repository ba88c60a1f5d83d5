-- SPDX-License-Identifier: MIT
local ffi = require 'ffi'
local c = require 'spec.support.c'

local lib = c.cdef('protocol/counters.h', 'protocol/protocol.h')

local function counters()
  local found, value = {}, ffi.new 'uint64_t[1]'
  for n = 0, math.huge do
    local name = lib.peri_protocol_counter_at(n, value)
    if name == nil then
      return found
    end
    assert.is_nil(found[ffi.string(name)], 'listed twice')
    found[ffi.string(name)] = tonumber(value[0])
  end
end

describe('protocol/counters', function()
  it('count each tag of each protocol under its own name', function()
    local seen = 0
    for n = 0, math.huge do
      local protocol = lib.peri_protocol_at(n)
      if protocol == nil then
        break
      end
      local at = 0
      while protocol.tags ~= nil and protocol.tags[at] ~= nil do
        local name, before = ffi.string(protocol.tags[at]), counters()
        lib.peri_protocol_count_tag(name)
        before[name] = before[name] + 1
        assert.same(before, counters())
        at, seen = at + 1, seen + 1
      end
    end
    assert.is_true(seen >= 10, seen)
  end)

  it('count what nobody listed as OTHER', function()
    local before = counters()
    lib.peri_protocol_count_tag 'NOBODY-KNOWS'
    before.OTHER = before.OTHER + 1
    assert.same(before, counters())
  end)
end)
