-- SPDX-License-Identifier: MIT
-- Stock Dubbo, 2.7.23 and 3.2.14, in both directions.
local app = require 'spec.support.app'
local cases = require 'spec.interop.cases'
local java = require 'spec.interop.java'
local matrix = require 'spec.interop.matrix'
local probe = require 'spec.interop.probe'

-- What only Dubbo's providers are asked.
local MORE = [[
  case('LocalDate', function()
    local day = perilune.typed('java.time.LocalDate', { year = 2020, month = 2, day = 29 })
    return same(29, perilune.check(probe:echoLocalDate(day)).day)
  end)
  case('$echo', function() return same('are you there', perilune.call(probe, '$echo', 'are you there')) end)
  case('timeout', function()
    local _, err = perilune.with(probe, { timeout = 100 }):slow(2000)
    return same('TIMEOUT', err and err.code)
  end)
]]

local FASTJSON = {
  ['declared exception'] = {
    'Java',
    'fastjson cannot read an exception (expect Throwable, but get JSONObject)',
  },
  ['double'] = { 'Java', 'fastjson writes infinite numbers as null' },
  ['Object that is an object'] = { 'Java', 'fastjson reads it as a JSONObject' },
  ['Map of Integer'] = { 'Java', 'fastjson writes keys without quotes, which is no JSON' },
}

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
  local table_of_cases = matrix.new('dubbo', 'Dubbo 2.7.23 and 3.2.14')

  after_each(function()
    java.stop_all()
    app.stop_all()
  end)

  teardown(function()
    table_of_cases:write(5)
  end)

  local function judge(column, results, order, known)
    local failed = {}
    for _, name in ipairs(order) do
      local seen = results[name]
      if seen ~= true and known and known[name] then
        seen = { known[name][1], ('%s: %s'):format(name, known[name][2]) }
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

  for _, version in ipairs { '2.7', '3.2' } do
    local module = 'dubbo' .. version:sub(1, 1)
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
        }
      )
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
