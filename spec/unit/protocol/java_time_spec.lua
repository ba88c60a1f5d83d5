-- SPDX-License-Identifier: MIT
-- Moments of java.time and their texts; what is expected here is what Java's own parse and toString do.
local values = require 'spec.support.values'

package.loaded['perilune.core'] = package.loaded['perilune.core'] or values
local java_time = require 'perilune.protocol.java_time'

local typed = values.typed

local function json(value)
  local ok, text, why = values.encode('json', value)
  return ok and text or nil, why
end

local function of(name, fields)
  return typed('java.time.' .. name, fields)
end

local SAME = {
  { 'LocalDate', '2024-02-29', { year = 2024, month = 2, day = 29 } },
  { 'LocalDate', '+10000-12-31', { year = 10000, month = 12, day = 31 } },
  { 'LocalDate', '-0001-01-01', { year = -1, month = 1, day = 1 } },
  { 'LocalTime', '01:02:03', { hour = 1, minute = 2, second = 3, nano = 0 } },
  { 'LocalTime', '23:59:59.000000004', { hour = 23, minute = 59, second = 59, nano = 4 } },
  { 'Instant', '2020-09-13T12:26:40.000000005Z', { seconds = 1600000000, nanos = 5 } },
  { 'Instant', '1970-01-01T00:00:00Z', { seconds = 0, nanos = 0 } },
  { 'Instant', '1969-12-31T23:59:59.500000000Z', { seconds = -1, nanos = 500000000 } },
  { 'Instant', '0000-03-01T00:00:00Z', { seconds = -62162035200, nanos = 0 } },
  { 'Instant', '-0001-01-01T00:00:00Z', { seconds = -62198755200, nanos = 0 } },
  { 'Instant', '+10000-01-01T00:00:00Z', { seconds = 253402300800, nanos = 0 } },
  { 'Instant', '1900-03-01T00:00:00Z', { seconds = -2203891200, nanos = 0 } },
  { 'Instant', '2000-02-29T23:59:59.999000000Z', { seconds = 951868799, nanos = 999000000 } },
  { 'Duration', 'PT90.000000007S', { seconds = 90, nanos = 7 } },
  { 'Duration', 'PT0S', { seconds = 0, nanos = 0 } },
  { 'Duration', 'PT-0.999999995S', { seconds = -1, nanos = 5 } },
  { 'Duration', 'PT-1.500000000S', { seconds = -2, nanos = 500000000 } },
  { 'Duration', 'PT-30S', { seconds = -30, nanos = 0 } },
}

-- Texts that Java reads, and writes otherwise.
local READ = {
  { 'LocalTime', '01:02', { hour = 1, minute = 2, second = 0, nano = 0 } },
  { 'LocalTime', '01:02:03.5', { hour = 1, minute = 2, second = 3, nano = 500000000 } },
  { 'Duration', 'P1DT2H3M4.5S', { seconds = 93784, nanos = 500000000 } },
  { 'Duration', '-PT1.5S', { seconds = -2, nanos = 500000000 } },
  { 'Duration', 'PT-1M30S', { seconds = -30, nanos = 0 } },
  { 'Duration', 'P2D', { seconds = 172800, nanos = 0 } },
  { 'Duration', '-P1DT-2H', { seconds = -79200, nanos = 0 } },
  { 'Duration', 'PT-1H-0.25S', { seconds = -3601, nanos = 750000000 } },
}

local REFUSED = {
  LocalDate = {
    '',
    '2024-2-29',
    '2024-02-29T00:00',
    'today',
    '24-02-29',
    '2024-13-01',
    '2024-00-01',
    '2024-01-00',
    '2024-04-31',
    '2023-02-29',
    '1900-02-29',
  },
  LocalTime = { '', '01:02:03x', '01:02:03.0000000001', '01', '24:00', '01:60', '01:02:60' },
  LocalDateTime = { '', '2024-02-29', 'T', '2024-02-29T', 'T01:02' },
  Instant = { '', '2024-02-29T01:02:03', 'Z', '1600000000', '+999999999-01-01T00:00:00Z' },
  Duration = { '', 'P', 'PT', '90', 'PT90', 'PTxS', 'PT1M2', 'P1Y', 'PT1.0000000001S' },
}

describe('java.time', function()
  it('goes to its text and comes from it', function()
    for _, case in ipairs(SAME) do
      local class, text, fields = 'java.time.' .. case[1], case[2], case[3]
      assert.equal(('"%s"'):format(text), (json(typed(class, fields))))
      local value = java_time.parse(class, text)
      assert.same(fields, value, text)
      assert.equal(class, values.class_of(value))
    end
  end)

  it('has a date and a time', function()
    local text = '2024-02-29T01:02:03.000000004'
    local value = java_time.parse('java.time.LocalDateTime', text)
    assert.equal('java.time.LocalDate', values.class_of(value.date))
    assert.same({ 29, 4 }, { value.date.day, value.time.nano })
    assert.equal(('"%s"'):format(text), (json(value)))
    assert.equal(('{"list":["%s",7]}'):format(text), (json { list = { value, 7 } }))
  end)

  it('is read from what Java reads', function()
    for _, case in ipairs(READ) do
      assert.same(case[3], java_time.parse('java.time.' .. case[1], case[2]), case[2])
    end
  end)

  it('is nothing else', function()
    for name, texts in pairs(REFUSED) do
      for _, text in ipairs(texts) do
        assert.is_nil(java_time.parse('java.time.' .. name, text), text)
      end
    end
  end)

  it('of what is no moment has no text', function()
    local function refused(name, fields, message)
      local text, why = json(of(name, fields))
      assert.is_nil(text)
      assert.truthy(why:find(message, 1, true), why)
    end
    refused(
      'LocalDate',
      { year = 2024, month = 13, day = 1 },
      'java.time.LocalDate: 13 is no month'
    )
    refused('LocalDate', { year = 2024, month = 1 }, 'java.time.LocalDate: 0 is no day')
    refused('LocalTime', { hour = 24 }, 'java.time.LocalTime: 24 is no hour')
    refused('Instant', { seconds = 4611686018427387904LL }, 'is no seconds')
    refused('Duration', { seconds = 1, nanos = -1 }, 'java.time.Duration: -1 is no nano')
    refused('LocalDate', { jahr = 2024 }, 'java.time.LocalDate has no field jahr')
    refused('LocalDate', { year = '2024' }, 'whole numbers')
    refused('LocalDate', { year = 1.5 }, 'whole numbers')
    refused('LocalDateTime', { date = { 1, 2 } }, 'whole numbers')
  end)

  it('is written by a script as text, as fields or as it came', function()
    local function to(name, value)
      return java_time.of('java.time.' .. name, value)
    end
    assert.equal('"2024-02-29"', (json(to('LocalDate', '2024-02-29'))))
    local fields = { date = { year = 2024, month = 2, day = 29 }, time = { hour = 1 } }
    assert.equal('"2024-02-29T01:00:00"', (json(to('LocalDateTime', fields))))
    assert.is_nil(values.class_of(fields))
    local own = of('LocalDate', { year = 1 })
    assert.equal(own, to('LocalDate', own))
    assert.is_nil(to('LocalDate', 7))
  end)
end)
