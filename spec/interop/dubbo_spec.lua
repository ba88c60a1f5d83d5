-- SPDX-License-Identifier: MIT
-- Stock Dubbo, 2.7.23, 3.2.14 and 3.3.6, in both directions.
local app = require 'spec.support.app'
local cases = require 'spec.interop.cases'
local java = require 'spec.interop.java'
local matrix = require 'spec.interop.matrix'
local probe = require 'spec.interop.probe'

-- What only Dubbo's providers are asked.
local MORE = [==[
  case('$echo', function() return same('are you there', perilune.call(probe, '$echo', 'are you there')) end)
  local generic, json = perilune.generic(probe), serialization == 'json'
  local function invoke(name, class, value)
    return perilune.check(generic:invoke(name, { class }, { value }))
  end
  case('generic object', function()
    local ada = {
      name = 'Ada', age = 36, active = true, score = 2.5, address = { city = 'London', number = 12 }, tags = { 'a', 'b' },
      color = 'GREEN', friend = { name = 'Bob', age = 1, active = false, score = 0.5 },
    }
    local back = invoke('echoPerson', 'demo.Person', ada)
    return same('Bob', back.friend.name) or same(12, back.address.number) or same(json and 'nil' or 'demo.Person', perilune.class_of(back))
      or told("demo.Person{active=true, address=demo.Address{city='London', number=12}, age=36, color=demo.Color GREEN, "
        .. "friend=demo.Person{active=false, age=1, name='Bob', score=0.5}, name='Ada', score=2.5, tags=['a', 'b']}")
  end)
  case('generic enum', function()
    local back = invoke('echoColor', 'demo.Color', 'BLUE')
    return same('BLUE', json and back or back.name) or told 'demo.Color BLUE'
  end)
  case('generic List of objects', function()
    local function person() return { class = 'demo.Person', name = 'Ada', age = 1, active = false, score = 0.5 } end
    local text = "demo.Person{active=false, age=1, name='Ada', score=0.5}"
    return same('Ada', invoke('echoPeople', 'java.util.List', { person(), person() })[2].name)
      or told('[' .. text .. ', ' .. text .. ']')
  end)
  case('generic object of collections', function()
    local back = invoke('echoNest', 'demo.Nest', {
      name = 'nest', rows = { { 'a', 'b' }, perilune.array {}, { 'c' } }, tables = { { one = 1 } }, groups = { even = { 2, 4 } },
      deep = { sea = { one = 1 } }, places = { { city = 'London', number = 12 }, { city = 'Paris', number = 3 } },
    })
    return same('c', back.rows[3][1]) or same(0, #back.rows[2]) or same(4, back.groups.even[2]) or same('Paris', back.places[2].city)
      or told("demo.Nest{deep={sea={one=1}}, groups={even=[2, 4]}, name='nest', places=[demo.Address{city='London', "
        .. "number=12}, demo.Address{city='Paris', number=3}], rows=[['a', 'b'], [], ['c']], tables=[{one=1}]}")
  end)
  case('generic exception', function()
    local result, err = generic:invoke('failDeclared', { 'java.lang.String' }, { 'no luck' })
    return same(nil, result) or same('demo.DeclaredException', err.class) or same('no luck', err.message)
  end)
  case('generic moment', function()
    local text = '2024-02-29T01:02:03.000000050'
    local back = invoke('echoLocalDateTime', 'java.time.LocalDateTime', text)
    return same(json and text or 50, json and back or back.time.nano)
  end)
  case('generic parts of moments', function()
    local texts = { Instant = '2020-09-13T12:26:40.000000005Z', Duration = 'PT1600000000.000000005S' }
    for name, text in pairs(texts) do
      local class = 'java.time.' .. name
      local value = perilune.typed(class, { seconds = java.long(1600000000), nanos = 5 })
      local back = invoke('echoObject', 'java.lang.Object', value)
      local wrong = json and same(text, back) or not json and (same(class, perilune.class_of(back)) or same(5, back.nanos))
      if wrong then return wrong end
    end
  end)
]==]

-- What a consumer without classes is given, which Java's provider gives it too.
local GENERIC = {
  'generic object',
  'generic enum',
  'generic List of objects',
  'generic object of collections',
  'generic exception',
  'generic moment',
  'generic parts of moments',
}

-- What Java alone cannot do in fastjson. Believed only when Java alone fails too.
local FASTJSON = {
  ['declared exception'] = 'fastjson reads no exception (expect Throwable, but get JSONObject)',
  ['double'] = 'fastjson writes infinite numbers as null',
  ['Object that is an object'] = 'fastjson reads it as a JSONObject',
  ['List of objects'] = 'Dubbo tells fastjson a List only, which reads its items as JSONObjects',
  ['generic exception'] = 'fastjson reads no exception (expect Throwable, but get JSONObject)',
  ['generic parts of moments'] = 'fastjson makes a text of a moment that goes as an Object',
}

-- What JSON does not have, whoever writes it.
local MISSING = { cycle = 'JSON has no references; what fastjson writes in their place is its own' }

-- Java calls Java in fastjson: those of the cases that fail there too.
local function broken_alone(names)
  local provider = java.provider('dubbo2', { serialization = 'fastjson' })
  local settings = { port = provider.port, serialization = 'fastjson', timeout = 2000 }
  local results = java.cases('dubbo2', settings, names)
  provider:stop()
  local broken = {}
  for _, name in ipairs(names) do
    broken[name] = results[name] ~= true
  end
  return broken
end

-- Nobody told the types.
local BY_NAME = [[
local probe = perilune.refer {
  interface = 'demo.Probe', alias = 'prod', url = 'dubbo://127.0.0.1:%d', timeout = 5000,
}
local function show(name, result, err)
  print(('%%s: %%s %%s'):format(name, tostring(result), err and err.code or ''))
end
perilune.main(function()
  show('sync', probe:sayHello 'moon')
  show('void', probe:touch())
  show('async', probe:later 'x')
  show('undeclared', probe:failUnchecked 'broken')
  show('int', probe:echoInt(-7))
  show('enum', perilune.check(probe:echoColor 'BLUE').name)
  local person = { name = 'Ada', age = 36, active = false, score = 0 }
  show('object', perilune.check(probe:echoPerson(person)).age)
  local blue = perilune.with(probe, { attachments = { color = 'blue' } })
  show('attachment', blue:attachment 'color')
  local blob = ('x'):rep(1048576)
  show('1 MiB', tostring(probe:echoBytes(perilune.bytes(blob))) == blob)
end)
]]

local SEEN = {
  'sync: Hi moon ',
  'void: nil ',
  'async: later x ',
  'undeclared: nil UNKNOWN',
  'int: -7 ',
  'enum: BLUE ',
  'object: 36 ',
  'attachment: blue ',
  '1 MiB: true ',
}

describe('Dubbo', function()
  local why = java.missing()
  if why then
    pending(why)
    return
  end
  local table_of_cases = matrix.new('dubbo', 'Dubbo 2.7.23, 3.2.14 and 3.3.6')

  after_each(function()
    java.stop_all()
    app.stop_all()
  end)

  teardown(function()
    table_of_cases:write(8)
  end)

  local function judge(column, results, order, known)
    local failed, doubtful = {}, {}
    for _, name in ipairs(order) do
      doubtful[#doubtful + 1] = results[name] ~= true and known and known[name] and name or nil
    end
    local broken = #doubtful > 0 and broken_alone(doubtful) or {}
    for _, name in ipairs(order) do
      local seen = results[name]
      if seen ~= true and broken[name] then
        seen = { 'Java', ('fastjson, %s: %s'):format(name, known[name]) }
      elseif seen ~= true and known and MISSING[name] then
        seen = { 'json', ('fastjson, %s: %s'):format(name, MISSING[name]) }
      end
      table_of_cases:add(column, name, seen)
      failed[#failed + 1] = type(seen) == 'string' and name .. ': ' .. seen or nil
    end
    assert.same({}, failed)
    assert.is_true(#order > 40)
  end

  it('2.7 calls us in fastjson', function()
    local server = app.serve((probe.server():gsub('127%.0%.0%.1:0', '[::1]:0')))
    local url = 'dubbo://[::1]:' .. server.url:match ':(%d+)$'
    local results, order = java.cases('dubbo2', { url = url, serialization = 'fastjson' })
    judge('Java to Lua, 2.7 fastjson', results, order, FASTJSON)
  end)

  it('2.7 is called in fastjson', function()
    local provider = java.provider('dubbo2', { serialization = 'fastjson' })
    local peer = {
      scheme = 'dubbo',
      port = provider.port,
      watch = ('perilune.interface [==[%s]==]'):format(probe.watch()),
      more = "serialization = 'json'",
      cases = MORE,
    }
    local results, order = cases.run(peer)
    judge('Lua to Java, 2.7 fastjson', results, order, FASTJSON)
    -- It reads nothing else, so what was seen was fastjson.
    peer.more, peer.only = '', { 'sync' }
    assert.not_equal(true, cases.run(peer).sync)
  end)

  for _, version in ipairs { '2.7', '3.2', '3.3' } do
    local module = java.DUBBO[version]
    it(version .. ' calls us, every case', function()
      -- Its consumers replace 127.0.0.1 by an address of the machine.
      local text = probe.server():gsub('127%.0%.0%.1:0', '[::1]:0')
      local server = app.serve(text)
      local port = server.url:match ':(%d+)$'
      local results, order =
        java.cases(module, { port = port, url = ('dubbo://[::1]:%s'):format(port) })
      judge('Java to Lua, ' .. version, results, order)
    end)

    it(version .. ' is called, every case', function()
      local provider = java.provider(module)
      judge(
        'Lua to Java, ' .. version,
        cases.run {
          scheme = 'dubbo',
          port = provider.port,
          watch = ('perilune.interface [==[%s]==]'):format(probe.watch()),
          cases = MORE,
          no_service = version ~= '2.7' and 'BAD_REQUEST' or nil, -- it says no more
        }
      )
    end)

    it(version .. ' gives a generic consumer the same, and so does an executor of ours', function()
      local wanted = {}
      for _, name in ipairs(GENERIC) do
        wanted[name] = true
      end
      local provider = java.provider(module)
      assert.same(wanted, (java.cases(module, { port = provider.port }, GENERIC)))
      local text = probe.server("executor = 'pool'"):gsub('127%.0%.0%.1:0', '[::1]:0')
      local server = app.serve(text)
      local url = 'dubbo://[::1]:' .. server.url:match ':(%d+)$'
      -- Each executor has a `last` of its own.
      local settings = { url = url, tells = 'no' }
      assert.same(wanted, (java.cases(module, settings, GENERIC)))
      if version == '2.7' then
        settings.serialization = 'fastjson'
        local seen = java.cases(module, settings, GENERIC)
        for name in pairs(FASTJSON) do
          wanted[name], seen[name] = nil, nil
        end
        assert.same(wanted, seen)
      end
    end)

    it(version .. ' is called by name', function()
      local provider = java.provider(module)
      local process = app.start(BY_NAME:format(provider.port))
      process:wait(60)
      local seen = {}
      for line in process.output:gmatch '[^\n]+' do
        seen[#seen + 1] = line:match '^[%w ]+: .* %u*$'
      end
      assert.same(SEEN, seen, process.output)
    end)
  end
end)
