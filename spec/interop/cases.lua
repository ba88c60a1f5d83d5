-- SPDX-License-Identifier: MIT
-- What a Lua consumer does with a Java provider's demo.Probe: a script that prints what Java's Cases do.
local app = require 'spec.support.app'
local probe = require 'spec.interop.probe'

local M = {}

local LIMIT = 90 -- seconds

local HEAD = [[
local url, only = '%s://127.0.0.1:%d', %s
local function refer(interface, more)
  local spec = { interface = interface, alias = 'prod', url = url, int64 = 'cdata', timeout = 5000 }
  for key, value in pairs(more) do spec[key] = value end
  return perilune.refer(spec)
end
local interface = %s
local wanted_codes = { method = '%s', service = '%s' }
local wanted = {}
for _, name in ipairs(only) do wanted[name] = true end
local prefix = ''
local function case(name, body)
  if next(wanted) and not wanted[name] then return end
  local ok, wrong = pcall(body)
  if ok and not wrong then
    print('ok ' .. prefix .. name)
  else
    print(('not ok %%s%%s: %%s'):format(prefix, name, tostring(wrong):gsub('%%s+', ' ')))
  end
end
local function same(expected, seen, err)
  expected = type(expected) == 'number' and ('%%.17g'):format(expected) or expected
  seen = type(seen) == 'number' and ('%%.17g'):format(seen) or seen
  if err ~= nil or tostring(expected) ~= (tostring(seen):gsub('^(-?%%d+)LL$', '%%1')) then
    return ('expected %%s, got %%s (%%s)'):format(tostring(expected), tostring(seen), tostring(err))
  end
end
]]

local CASES = [==[
local java = perilune.java
local function cases(probe, watch, absent, undeclared, serialization)
  -- What Java had of the last echo: see demo/Told.java.
  local function told(text)
    return same(text, probe:told())
  end
  local function echo(name, value, text)
    return same(value, perilune.call(probe, name, value)) or told(text or tostring(value))
  end
  case('sync', function() return same('Hi moon', probe:sayHello 'moon') end)
  case('void', function() return same(nil, probe:touch()) end)
  case('null result', function() return same(nil, probe:nothing()) end)
  case('null argument', function() return same(nil, probe:echoString(nil)) end)
  case('async', function() return same('later x', probe:later 'x') end)
  case('declared exception', function()
    local result, err = probe:failDeclared 'no luck'
    return same(nil, result) or same('no luck', err.message) or same('demo.DeclaredException', err.class)
  end)
  case('undeclared exception', function()
    local _, err = probe:failUnchecked 'broken'
    return not err.message:find('broken', 1, true) and tostring(err) or nil
  end)
  case('1 MiB', function()
    local blob = ('x'):rep(1048576)
    local back, err = probe:echoBytes(blob)
    return err and tostring(err) or tostring(back) ~= blob and 'other bytes' or nil
  end)
  case('1 MiB string', function()
    local text = ('\230\156\136a\195\169 '):rep(262144)
    local back, err = probe:echoString(text)
    return err and tostring(err) or back ~= text and 'another string' or nil
  end)
  case('boolean', function() return echo('echoBoolean', true) end)
  case('byte', function() return echo('echoByte', -7) end)
  case('short', function() return echo('echoShort', -12345) end)
  case('int', function()
    return echo('echoInt', 0) or echo('echoInt', -2147483648) or echo('echoInt', 2147483647)
  end)
  case('long', function()
    return echo('echoLong', 5) or echo('echoLong', 2 ^ 40, '1099511627776')
      or same('-9223372036854775808', probe:echoLong '-9223372036854775808')
      or told '-9223372036854775808'
  end)
  case('float', function() return echo('echoFloat', 1.5) end)
  case('double', function() return echo('echoDouble', 1) or echo('echoDouble', 0.1) end)
  case('char', function() return echo('echoChar', 'x', "'x'") end)
  case('Integer', function() return echo('echoInteger', 42) end)
  case('Integer null', function() return echo('echoInteger', nil, 'null') end)
  case('Long', function() return echo('echoBoxedLong', 7) end)
  case('Double', function() return echo('echoBoxedDouble', 12) end)
  case('Float', function() return echo('echoBoxedFloat', 0.5) end)
  case('Boolean', function() return echo('echoBoxedBoolean', false) end)
  case('String', function() return echo('echoString', '\195\169\230\156\136\240\159\154\128\n"', "'\195\169\230\156\136\240\159\154\128\n\"'") end)
  case('empty String', function() return echo('echoString', '', "''") end)
  case('byte[]', function() return same('\0\1\255', probe:echoBytes '\0\1\255') or told 'bytes[0, 1, -1]' end)
  case('int[]', function() return same(-2, perilune.check(probe:echoInts { 1, -2 })[2]) or told '[1, -2]' end)
  case('long[]', function() return same(-2, perilune.check(probe:echoLongs { 1, -2 })[2]) or told '[1, -2]' end)
  case('String[]', function() return same('c', perilune.check(probe:echoStrings { 'a', 'c' })[2]) or told "['a', 'c']" end)
  case('double[]', function()
    return same(0.5, perilune.check(probe:echoDoubles { 2, 0.5 })[2]) or told '[2, 0.5]'
  end)
  case('float[]', function() return same(0.5, perilune.check(probe:echoFloats { 2, 0.5 })[2]) or told '[2, 0.5]' end)
  case('short[]', function() return same(-2, perilune.check(probe:echoShorts { 1, -2 })[2]) or told '[1, -2]' end)
  case('boolean[]', function()
    return same(false, perilune.check(probe:echoBooleans { true, false })[2]) or told '[true, false]'
  end)
  case('Object[]', function()
    local back = perilune.check(probe:echoObjects { 'text', 7, perilune.null, true })
    return same(perilune.null, back[3]) or same(true, back[4]) or told "['text', 7, null, true]"
  end)
  case('LinkedList', function()
    return same('b', perilune.check(probe:echoLinkedList { 'a', 'b' })[2]) or told "['a', 'b']"
  end)
  case('TreeMap', function() return same(1, perilune.check(probe:echoSorted { one = 1 }).one) or told '{one=1}' end)
  case('LinkedHashMap', function()
    local back = perilune.check(probe:echoOrdered(java.entries { { 'z', 1 }, { 'a', 2 } }))
    return same(1, back.z) or told '{a=2, z=1}'
  end)
  case('List', function()
    local list = perilune.check(probe:echoList { 'a', perilune.null, 'c' })
    return same(perilune.null, list[2]) or same('c', list[3]) or told "['a', null, 'c']"
  end)
  case('empty List', function() return same(0, #perilune.check(probe:echoList {})) or told '[]' end)
  case('Set', function() return same(2, #perilune.check(probe:echoSet { 'x', 'y' })) or told "['x', 'y']" end)
  case('Map', function()
    local map = perilune.check(probe:echoMap { text = 't', number = 7, list = { 1, 2 }, inner = { k = 'v' } })
    return same('t', map.text) or same(7, map.number) or same(2, map.list[2]) or same('v', map.inner.k)
      or told "{inner={k='v'}, list=[1, 2], number=7, text='t'}"
  end)
  case('Map of Integer', function()
    return same('many', perilune.check(probe:echoIntMap { [1] = 'one', [2000] = 'many' })[2000])
      or told "{1='one', 2000='many'}"
  end)
  case('BigDecimal', function()
    return same('12345678901234567890.125', probe:echoDecimal '12345678901234567890.125')
      or told '12345678901234567890.125'
  end)
  case('BigInteger', function() return echo('echoBigInteger', '-1267650600228229401496703205376') end)
  case('Date', function() return echo('echoDate', 1600000000123, 'date 1600000000123') end)
  local function moment(name, fields)
    case(name, function()
      local class, parts = 'java.time.' .. name, {}
      local back = perilune.check(perilune.call(probe, 'echo' .. name, perilune.typed(class, fields)))
      local function compare(expected, seen)
        for field, value in pairs(expected) do
          local deep = type(seen[field]) == 'table'
          local wrong = deep and compare(value, seen[field]) or not deep and same(tostring(value), seen[field])
          if wrong then return field .. ': ' .. wrong end
        end
      end
      return same(class, perilune.class_of(back)) or compare(fields, back) or told(text_of(perilune.typed(class, fields)))
    end)
  end
  local day, hour = { year = 2020, month = 2, day = 29 }, { hour = 1, minute = 2, second = 3, nano = 4 }
  moment('LocalDate', day)
  moment('LocalTime', hour)
  moment('LocalDateTime', { date = perilune.typed('java.time.LocalDate', day), time = perilune.typed('java.time.LocalTime', hour) })
  case('ZonedDateTime', function()
    local typed, zone = perilune.typed, 'Asia/Shanghai'
    local value = typed('java.time.ZonedDateTime', {
      dateTime = typed('java.time.LocalDateTime', {
        date = typed('java.time.LocalDate', day), time = typed('java.time.LocalTime', hour),
      }),
      offset = typed('java.time.ZoneOffset', { seconds = 28800 }),
      zoneId = serialization == 'protostuff' and typed('java.time.ZoneId', { zoneId = zone }) or zone,
    })
    if serialization == 'json' then
      value = '2020-02-29T01:02:03.000000004+08:00[Asia/Shanghai]'
      return same(value, probe:echoZoned(value))
    end
    local back = perilune.check(probe:echoZoned(value))
    return same(29, back.dateTime.date.day) or same(28800, back.offset.seconds)
      or same(zone, type(back.zoneId) == 'table' and back.zoneId.zoneId or back.zoneId)
  end)
  moment('Instant', { seconds = java.long(1600000000), nanos = 5 })
  moment('Duration', { seconds = java.long(90), nanos = 7 })
  case('enum', function() return same('BLUE', perilune.check(probe:echoColor 'BLUE').name) or told 'demo.Color BLUE' end)
  case('object', function()
    local back = perilune.check(probe:echoPerson {
      name = 'Ada', age = 36, wealth = 9007199254740991, active = true, score = 2,
      address = { city = 'London', number = 12 }, tags = { 'a', 'b' }, color = 'GREEN',
    })
    return same('demo.Person', perilune.class_of(back)) or same('Ada', back.name) or same(12, back.address.number)
      or same('London', back.address.city) or same('GREEN', back.color.name) or same('b', back.tags[2])
      or same(2, back.score) or same(9007199254740991, tonumber(back.wealth))
      or told("demo.Person{active=true, address=demo.Address{city='London', number=12}, age=36, "
        .. "color=demo.Color GREEN, name='Ada', score=2, tags=['a', 'b'], wealth=9007199254740991}")
  end)
  case('object in itself', function()
    local person = { name = 'Ada', age = 1, active = false, score = 0 }
    person.friend = { name = 'Bob', age = 2, active = true, score = 0.5 }
    local back = perilune.check(probe:echoPerson(person))
    return same('Bob', back.friend.name) or same(0.5, back.friend.score)
      or told("demo.Person{active=false, age=1, friend=demo.Person{active=true, age=2, name='Bob', score=0.5}, "
        .. "name='Ada', score=0}")
  end)
  case('cycle', function()
    local person = { name = 'Ada', age = 1, active = false, score = 0 }
    person.friend = person
    local back = perilune.check(probe:echoPerson(person))
    return not rawequal(back, back.friend) and 'the reference is lost' or nil
  end)
  case('List of objects', function()
    local function person() return { name = 'Ada', age = 1, active = false, score = 0 } end
    local text = "demo.Person{active=false, age=1, name='Ada', score=0}"
    return same('Ada', perilune.check(probe:echoPeople { person(), person() })[2].name)
      or told('[' .. text .. ', ' .. text .. ']')
  end)
  case('object of collections', function()
    local back = perilune.check(probe:echoNest {
      name = 'nest', rows = { { 'a', 'b' }, {}, { 'c' } }, tables = { { one = 1 } }, groups = { even = { 2, 4 } },
      deep = { sea = { one = 1 } }, places = { { city = 'London', number = 12 }, { city = 'Paris', number = 3 } },
    })
    return same('demo.Nest', perilune.class_of(back)) or same('c', back.rows[3][1]) or same(0, #back.rows[2])
      or same(1, back.tables[1].one) or same(4, back.groups.even[2]) or same(1, back.deep.sea.one)
      or same('Paris', back.places[2].city) or same('demo.Address', perilune.class_of(back.places[1]))
      or told("demo.Nest{deep={sea={one=1}}, groups={even=[2, 4]}, name='nest', places=[demo.Address{city='London', "
        .. "number=12}, demo.Address{city='Paris', number=3}], rows=[['a', 'b'], [], ['c']], tables=[{one=1}]}")
  end)
  case('List of lists', function()
    return same('c', perilune.check(probe:echoRows { { 'a', 'b' }, {}, { 'c' } })[3][1])
      or told "[['a', 'b'], [], ['c']]"
  end)
  case('array of objects', function()
    local places = perilune.check(probe:echoPlaces { { city = 'London', number = 12 }, { city = 'Paris', number = 3 } })
    return same('Paris', places[2].city) or same('demo.Address', perilune.class_of(places[1]))
      or told "[demo.Address{city='London', number=12}, demo.Address{city='Paris', number=3}]"
  end)
  case('Object', function() return echo('echoObject', 'text', "'text'") end)
  case('Object that is an object', function()
    local ada = perilune.typed('demo.Person', { name = 'Ada', age = java.int(36), active = true, score = java.double(2) })
    local back = perilune.check(probe:echoObject(ada))
    return same('demo.Person', perilune.class_of(back)) or same('Ada', back.name) or same(2, back.score)
      or told "demo.Person{active=true, age=36, name='Ada', score=2}"
  end)
  case('attachment', function()
    return same('blue', perilune.with(probe, { attachments = { color = 'blue' } }):attachment 'color')
  end)
  case('generic', function()
    return same('Hi moon', perilune.generic(probe):invoke('sayHello', { 'java.lang.String' }, { 'moon' }))
  end)
  case('generic async', function()
    local generic = perilune.generic(probe)
    local function call(name) return generic:invoke('sayHello', { 'java.lang.String' }, { name }) end
    -- One, for behind a request that it cannot read JoyRPC leaves the others of the same read lie.
    return same('Hi moon', perilune.async(call, 'moon'):await())
  end)
  -- What failed at once, with one of the codes.
  local function refused(codes, result, err)
    return same(nil, result)
      or not codes:find(err.code, 1, true) and 'not ' .. codes .. ': ' .. tostring(err) or nil
  end
  case('no such method', function()
    return refused(wanted_codes.method, undeclared:nowhere 'x')
  end)
  case('no such service', function()
    return refused(wanted_codes.service, absent:absent())
  end)
  case('timeout', function()
    local _, err = perilune.with(probe, { timeout = 100 }):slow(2000)
    return same('TIMEOUT', err and err.code)
  end)
  case('callback', function()
    local seen = {}
    local answers, err = watch:watch('tick', 3, function(_, text)
      seen[#seen + 1] = text
      return 'saw ' .. text
    end)
    return same('saw tick 1,saw tick 2,saw tick 3', answers, err) or same('tick 3', seen[3])
  end)
  %s
end
]==]

local MAIN = [[
perilune.main(function()
  for _, one in ipairs(all) do
    prefix = one[1]
    cases(one[2], one[3], one[4], one[5], one[6])
  end
  print 'done'
end)]]

local function quoted(names)
  local out = {}
  for i, name in ipairs(names or {}) do
    out[i] = ('%q'):format(name)
  end
  return '{' .. table.concat(out, ', ') .. '}'
end

-- Runs the cases against a provider: case name -> true, or what went wrong; and their order. `peer` is
-- { scheme, port, more = 'options of the refer', watch = 'interface', cases = 'further cases', no_method =
-- 'codes', no_service = 'codes' }; with
-- `options`, a list of { prefix, more }, all cases are run with each, and their names begin with it.
---@param peer table
---@return table<string, true|string> results
---@return string[] order
function M.run(peer)
  local head = HEAD:format(
    peer.scheme,
    peer.port,
    quoted(peer.only),
    probe.interface(),
    peer.no_method or 'NO_METHOD',
    peer.no_service or 'NO_SERVICE'
  )
  local text = {
    head,
    probe.TEXT_OF,
    (CASES:gsub('%%s', function()
      return peer.cases or ''
    end)),
    'local all, more = {}, nil',
  }
  for i, option in ipairs(peer.options or { { prefix = '', more = peer.more or '' } }) do
    local line = (
      'all[%d] = { %q, refer(interface, more), refer(%s, more), refer("demo.Absent", more), '
      .. 'refer("demo.Probe", more), more.serialization }'
    ):format(i, option.prefix, peer.watch)
    text[#text + 1] = ('more = { %s }'):format(option.more)
    text[#text + 1] = line
  end
  text[#text + 1] = MAIN
  local process = app.start(table.concat(text, '\n'))
  local ok, why = pcall(process.wait_line, process, '\ndone\n', LIMIT)
  local results, order = {}, {}
  for line in process.output:gmatch '[^\n]+' do
    local name, wrong = line:match '^not ok ([^:]+): (.*)$'
    name = name or line:match '^ok (.+)$'
    if name then
      results[name], order[#order + 1] = wrong or true, name
    end
  end
  if not ok then
    error(why, 2)
  end
  return results, order
end

return M
