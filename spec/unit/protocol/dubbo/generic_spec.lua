-- SPDX-License-Identifier: MIT
-- Results for generic consumers, as bytes. That Java's own provider gives them the same is in
-- spec/interop/dubbo_spec.lua.
local values = require 'spec.support.values'

package.loaded['perilune.core'] = package.loaded['perilune.core'] or values
local java = require 'perilune.protocol.java'

local typed = values.typed
local PROVIDERS = { 'dubbo2-generic', 'dubbo2-generic-alone' }

local function try(value, provider)
  local name = provider == 'json' and 'json@dubbo2-generic'
    or 'hessian2@' .. (provider or PROVIDERS[1])
  return values.encode(name, value)
end

local function encode(value)
  local _, other = try(value, PROVIDERS[2])
  local ok, text, why = try(value)
  assert(ok, why)
  assert.equal(text, other)
  return text
end

local function decode(text)
  local ok, value, why = values.decode('hessian2@dubbo', text)
  assert(ok, why)
  return value
end

local function refused(value)
  local ok, _, why = try(value)
  assert.is_false(ok)
  return why
end

local function moment(hour, minute, second, nano)
  return typed(
    'java.time.LocalTime',
    { hour = hour, minute = minute, second = second, nano = nano }
  )
end

describe('protocol/dubbo generic results', function()
  values.declare_class('demo.generic.Color', { 'RED', 'GREEN' })

  it('make an object a map with its class in front', function()
    assert.equal('H\5class\6demo.A\4city\6LondonZ', encode(typed('demo.A', { city = 'London' })))
    assert.equal('H\5class\6demo.AZ', encode(typed('demo.A', {})))
    local back = decode(
      encode(typed('demo.A', { n = 1, text = 'x', inner = typed('demo.B', { v = java.long(5) }) }))
    )
    assert.is_nil(values.class_of(back))
    assert.same({ 'demo.A', 1, 'x' }, { back.class, back.n, back.text })
    assert.equal('demo.B', back.inner.class)
    assert.equal('H\5class\6demo.B\1v\229Z', encode(typed('demo.B', { v = java.long(5) })))
  end)

  it('make a constant its name', function()
    assert.equal('\5GREEN', encode(java.enum('demo.generic.Color', 'GREEN')))
    assert.equal('\1X', encode(java.enum('demo.generic.Undeclared', 'X')))
    assert.equal('\5GREEN', encode(typed('demo.generic.Color', { name = 'GREEN', ordinal = 1 })))
    -- Nobody said that this one is an enum.
    assert.equal('H\5class\6demo.N\4name\1XZ', encode(typed('demo.N', { name = 'X' })))
    assert.matches('has no name', refused(typed('demo.generic.Color', { ordinal = 1 })))
    assert.matches('no constant', refused(java.list('demo.generic.Color', { 1 })))
  end)

  it('make lists plain, and arrays of objects such of Object', function()
    local item = typed('demo.A', {})
    local map = 'H\5class\6demo.AZ'
    assert.equal('\121' .. map, encode { item })
    assert.equal('\121' .. map, encode(java.list('demo.Items', { item })))
    assert.equal('\121\1x', encode(java.list('java.util.LinkedList', { 'x' })))
    assert.equal(
      '\113\17java.util.HashSet\1x',
      encode(java.list('java.util.LinkedHashSet', { 'x' }))
    )
    assert.equal('\113\7[object' .. map, encode(java.list('[demo.A', { item })))
    assert.equal('\113\4[int\145', encode(java.list('[int', { 1 })))
    assert.equal('\113\18[java.lang.Integer\145', encode(java.list('[java.lang.Integer', { 1 })))
    local red = java.enum('demo.generic.Color', 'RED')
    assert.equal('\113\7[string\3RED', encode(java.list('[demo.generic.Color', { red })))
  end)

  it('keep maps, their keys, and classes of Java', function()
    assert.equal('H\1k\1vZ', encode { k = 'v' })
    assert.equal('M\17java.util.TreeMap\145\1vZ', encode(java.map('java.util.TreeMap', { 'v' })))
    assert.equal('H\1k\1vZ', encode(java.map('demo.Map', { k = 'v' })))
    assert.equal(
      select(2, values.encode('hessian2@dubbo', java.decimal '1.5')),
      encode(java.decimal '1.5')
    )
    local id = typed('java.lang.Thing', { a = 1 })
    assert.equal(select(2, values.encode('hessian2@dubbo', id)), encode(id))
  end)

  it('make a moment the text of it', function()
    assert.equal('\00501:02', encode(moment(1, 2, 0, 0)))
    assert.equal('01:02:03', decode(encode(moment(1, 2, 3, 0))))
    assert.equal('01:02:00.000000004', decode(encode(moment(1, 2, 0, 4))))
    assert.equal('01:02:00.050', decode(encode(moment(1, 2, 0, 50000000))))
    assert.equal('01:02:00.000001', decode(encode(moment(1, 2, 0, 1000))))
    local day = typed('java.time.LocalDate', { year = 2024, month = 2, day = 29 })
    assert.equal('2024-02-29', decode(encode(day)))
    local both = typed('java.time.LocalDateTime', { date = day, time = moment(0, 0, 0, 0) })
    assert.equal('2024-02-29T00:00', decode(encode(both)))
    assert.matches(
      'no month',
      refused(typed('java.time.LocalDate', { year = 1, month = 13, day = 1 }))
    )
    assert.matches('whole numbers', refused(typed('java.time.LocalDate', { year = 'x' })))
  end)

  local function offset(seconds)
    return typed('java.time.ZoneOffset', { seconds = seconds })
  end

  it('make what has no text a map of what its getters give', function()
    local function of(class, fields)
      return decode(encode(typed('java.time.' .. class, fields)))
    end
    assert.equal(
      'H\5class\17java.time.Instant\11epochSecond\xE5\4nano\x96Z',
      encode(typed('java.time.Instant', { seconds = 5, nanos = 6 }))
    )
    assert.same({
      class = 'java.time.Duration',
      seconds = -2,
      nano = 500000000,
      zero = false,
      negative = true,
      units = { 'SECONDS', 'NANOS' },
    }, of('Duration', { seconds = -2, nanos = 500000000 }))
    local chronology =
      { class = 'java.time.chrono.IsoChronology', id = 'ISO', calendarType = 'iso8601' }
    assert.same({
      class = 'java.time.Period',
      years = 0,
      months = -1,
      days = 3,
      zero = false,
      negative = true,
      units = { 'YEARS', 'MONTHS', 'DAYS' },
      chronology = chronology,
    }, of('Period', { years = 0, months = -1, days = 3 }))
    assert.same(
      { class = 'java.time.Year', value = 1900, leap = false },
      of('Year', { year = 1900 })
    )
    assert.same({
      class = 'java.time.YearMonth',
      year = 2000,
      month = 'FEBRUARY',
      monthValue = 2,
      leapYear = true,
    }, of('YearMonth', { year = 2000, month = 2 }))
    assert.same({
      class = 'java.time.MonthDay',
      month = 'DECEMBER',
      monthValue = 12,
      dayOfMonth = 31,
    }, of('MonthDay', { month = 12, day = 31 }))
    local rules = {
      class = 'java.time.zone.ZoneRules',
      fixedOffset = true,
      transitions = {},
      transitionRules = {},
    }
    local function zone(id, seconds)
      return { class = 'java.time.ZoneOffset', id = id, totalSeconds = seconds, rules = rules }
    end
    assert.same(zone('Z', 0), of('ZoneOffset', { seconds = 0 }))
    assert.same(zone('-01:30:05', -5405), of('ZoneOffset', { seconds = -5405 }))
    assert.same(
      { class = 'java.time.ZoneRegion', id = 'Europe/Berlin' },
      of('ZoneId', { zoneId = 'Europe/Berlin' })
    )
    local day = typed('java.time.LocalDate', { year = 2024, month = 2, day = 29 })
    local both = typed('java.time.LocalDateTime', { date = day, time = moment(1, 2, 3, 4) })
    local want = { hour = 1, minute = 2, second = 3, nano = 4, offset = zone('+02:00', 7200) }
    want.class = 'java.time.OffsetTime'
    assert.same(
      want,
      of('OffsetTime', { localTime = moment(1, 2, 3, 4), zoneOffset = offset(7200) })
    )
    want.class, want.year, want.month, want.monthValue =
      'java.time.OffsetDateTime', 2024, 'FEBRUARY', 2
    want.dayOfMonth, want.dayOfYear, want.dayOfWeek = 29, 60, 'THURSDAY'
    assert.same(want, of('OffsetDateTime', { offset = offset(7200), dateTime = both }))
    want.class, want.chronology = 'java.time.ZonedDateTime', chronology
    want.zone = { class = 'java.time.ZoneRegion', id = 'Europe/Berlin' }
    local fields = { dateTime = both, offset = offset(7200), zoneId = 'Europe/Berlin' }
    assert.same(want, of('ZonedDateTime', fields))
    fields.zoneId, want.zone = '+02:00', zone('+02:00', 7200)
    assert.same(want, of('ZonedDateTime', fields))
    for _, wrong in ipairs {
      { 'MonthDay', { month = 13, day = 1 }, '13 is no month' },
      { 'ZoneOffset', { seconds = 90000 }, '90000 is no seconds' },
      { 'Year', { year = 'x' }, "'x' is no part" },
      { 'Year', { year = 1.5 }, 'whole numbers' },
      { 'Year', { age = 1 }, 'no field age' },
      { 'ZoneId', { zoneId = 5 }, 'a part of it is no number' },
      { 'ZoneId', {}, 'no zoneId' },
      { 'ZoneId', { zoneId = ('x'):rep(65) }, 'is no part' },
    } do
      assert.matches(wrong[3], refused(typed('java.time.' .. wrong[1], wrong[2])))
    end
  end)

  it('tell fields that are null, where the class was declared', function()
    values.declare_class('demo.generic.Pair', { 'a', 'b' }, { 'int', 'demo.generic.Pair' })
    assert.equal(
      'H\5class\17demo.generic.Pair\1a\145\1bNZ',
      encode(typed('demo.generic.Pair', { a = 1 }))
    )
    local inner = typed('demo.generic.Pair', {})
    local outer = typed('demo.generic.Pair', { b = inner })
    local text = 'H\5class\17demo.generic.Pair'
    assert.equal(text .. '\1b' .. text .. '\1aN\1bNZ\1aNZ', encode(outer))
    local list = { inner, { x = typed('demo.generic.Pair', { a = 1 }) } }
    assert.equal('\122' .. text .. '\1aN\1bNZH\1x' .. text .. '\1a\145\1bNZZ', encode(list))
  end)

  it('are the same in JSON, where null is left out', function()
    local function json(value)
      local ok, text, why = try(value, 'json')
      return ok and text or why
    end
    local pair = typed('demo.generic.Pair', { a = 1 })
    assert.equal('{"class":"demo.generic.Pair","a":1}', json(pair))
    assert.equal('["GREEN"]', json { java.enum('demo.generic.Color', 'GREEN') })
    local instant = typed('java.time.Instant', { seconds = 5, nanos = 6 })
    assert.equal('{"class":"java.time.Instant","epochSecond":5,"nano":6}', json(instant))
    assert.equal('"01:02"', json(moment(1, 2, 0, 0)))
    assert.equal(
      '{"k":[{"class":"demo.A"}]}',
      json { k = java.list('[demo.A', { typed('demo.A', {}) }) }
    )
    assert.equal('{"1":"v"}', json(java.map('java.util.TreeMap', { [1] = 'v' })))
    assert.equal('[1.5,"1.25",5]', json { java.float(1.5), java.decimal '1.25', java.date(5) })
    assert.equal('"AP8="', json(values.bytes '\0\255'))
  end)

  it('refer to what stood there before, but not to a text', function()
    local red, a = java.enum('demo.generic.Color', 'RED'), typed('demo.A', {})
    assert.equal(
      '\126\3RED\3RED\121\145H\5class\6demo.AZ\3REDQ\146',
      encode { red, red, { 1 }, a, red, a }
    )
    local self = typed('demo.A', {})
    self.me = self
    assert.equal('H\5class\6demo.A\2meQ\144Z', encode(self))
  end)

  it('have limits', function()
    assert.matches('longer than 512', refused(typed(('x'):rep(513), {})))
    local deep = typed('demo.A', {})
    for _ = 1, 200 do
      deep = typed('demo.A', { deep = deep })
    end
    assert.is_false((try(deep)))
  end)
end)
