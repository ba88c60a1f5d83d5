-- SPDX-License-Identifier: MIT
-- What a Lua consumer does with a Java provider's demo.Probe: a script that prints what Java's Cases do.
local app = require 'spec.support.app'
local probe = require 'spec.interop.probe'

local M = {}

local SCRIPT = [[
local scheme, port, more = '%s', %d, { %s }
local probe = { interface = %s, alias = 'prod', int64 = 'cdata', timeout = 5000,
  url = scheme .. '://127.0.0.1:' .. port }
for key, value in pairs(more) do probe[key] = value end
probe = perilune.refer(probe)
local watch = perilune.refer {
  interface = %s, alias = 'prod', url = scheme .. '://127.0.0.1:' .. port, int64 = 'cdata',
}
local function case(name, body)
  local ok, wrong = pcall(body)
  if ok and not wrong then
    print('ok ' .. name)
  else
    print(('not ok %%s: %%s'):format(name, tostring(wrong):gsub('%%s+', ' ')))
  end
end
local function same(expected, seen, err)
  if err ~= nil or tostring(expected) ~= (tostring(seen):gsub('^(-?%%d+)LL$', '%%1')) then
    return ('expected %%s, got %%s (%%s)'):format(tostring(expected), tostring(seen), tostring(err))
  end
end
local function echo(name, ...)
  return same((...), perilune.call(probe, name, ...))
end
perilune.main(function()
  local java = perilune.java
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
    return echo('echoLong', 5) or echo('echoLong', 2 ^ 40)
      or same('-9223372036854775808', probe:echoLong '-9223372036854775808')
  end)
  case('float', function() return echo('echoFloat', 1.5) end)
  case('double', function() return echo('echoDouble', 1) or echo('echoDouble', 0.1) end)
  case('char', function() return echo('echoChar', 'x') end)
  case('Integer', function() return echo('echoInteger', 42) or echo('echoInteger', nil) end)
  case('Long', function() return echo('echoBoxedLong', 7) end)
  case('String', function() return echo('echoString', '\195\169\230\156\136\240\159\154\128\n"') end)
  case('byte[]', function() return same('\0\1\255', probe:echoBytes '\0\1\255') end)
  case('int[]', function() return same(-2, perilune.check(probe:echoInts { 1, -2 })[2]) end)
  case('long[]', function() return same(-2, perilune.check(probe:echoLongs { 1, -2 })[2]) end)
  case('String[]', function() return same('c', perilune.check(probe:echoStrings { 'a', 'c' })[2]) end)
  case('List', function()
    local list = perilune.check(probe:echoList { 'a', perilune.null, 'c' })
    return same(perilune.null, list[2]) or same('c', list[3])
  end)
  case('empty List', function() return same(0, #perilune.check(probe:echoList {})) end)
  case('Set', function() return same(2, #perilune.check(probe:echoSet { 'x', 'y' })) end)
  case('Map', function()
    local map = perilune.check(probe:echoMap { text = 't', number = 7, list = { 1, 2 }, inner = { k = 'v' } })
    return same('t', map.text) or same(7, map.number) or same(2, map.list[2]) or same('v', map.inner.k)
  end)
  case('Map of Integer', function()
    return same('many', perilune.check(probe:echoIntMap { [1] = 'one', [2000] = 'many' })[2000])
  end)
  case('BigDecimal', function()
    return same('12345678901234567890.125', probe:echoDecimal '12345678901234567890.125')
  end)
  case('BigInteger', function() return echo('echoBigInteger', '-1267650600228229401496703205376') end)
  case('Date', function() return echo('echoDate', 1600000000123) end)
  case('enum', function() return same('BLUE', perilune.check(probe:echoColor 'BLUE').name) end)
  case('object', function()
    local back = perilune.check(probe:echoPerson {
      name = 'Ada', age = 36, wealth = 9007199254740991, active = true, score = 2,
      address = { street = 'London', number = 12 }, tags = { 'a', 'b' }, color = 'GREEN',
    })
    return same('demo.Person', perilune.class_of(back)) or same('Ada', back.name) or same(12, back.address.number)
      or same('GREEN', back.color.name) or same('b', back.tags[2]) or same(2, back.score)
  end)
  case('cycle', function()
    local person = { name = 'Ada', age = 1, active = false, score = 0 }
    person.friend = person
    local back = perilune.check(probe:echoPerson(person))
    return not rawequal(back, back.friend) and 'the reference is lost' or nil
  end)
  case('List of objects', function()
    local person = { name = 'Ada', age = 1, active = false, score = 0 }
    return same('Ada', perilune.check(probe:echoPeople { person, person })[2].name)
  end)
  case('Object', function() return echo('echoObject', 'text') end)
  case('attachment', function()
    return same('blue', perilune.with(probe, { attachments = { color = 'blue' } }):attachment 'color')
  end)
  case('generic', function()
    return same('Hi moon', perilune.generic(probe):invoke('sayHello', { 'java.lang.String' }, { 'moon' }))
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
  print 'done'
end)
]]

-- Runs every case against a provider: case name -> true, or what went wrong; and their order. `peer` is
-- { scheme, port, more = 'options of the refer', watch = 'interface', cases = 'further cases' }.
function M.run(peer)
  local text = SCRIPT:format(
    peer.scheme,
    peer.port,
    peer.more or '',
    probe.interface(),
    peer.watch,
    peer.cases or ''
  )
  local process = app.start(text)
  process:wait_line('\ndone\n', 60)
  local results, order = {}, {}
  for line in process.output:gmatch '[^\n]+' do
    local name, wrong = line:match '^not ok ([^:]+): (.*)$'
    name = name or line:match '^ok (.+)$'
    if name then
      results[name], order[#order + 1] = wrong or true, name
    end
  end
  return results, order
end

return M
