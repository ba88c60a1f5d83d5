-- SPDX-License-Identifier: MIT
-- What Java writes: Caucho's implementation, Dubbo's and JoyRPC's forks of it. The bytes are made by
-- spec/interop/java/hessian/HessianGolden.java.
local hexes = require 'spec.support.hex'
local values = require 'spec.support.values'

local class_of = values.class_of
package.loaded['perilune.core'] = package.loaded['perilune.core'] or values
local java = require 'perilune.protocol.java'

local hex, unhex = hexes.encode, hexes.decode

local function encode(value, name)
  local ok, text, why = values.encode(name or 'hessian2', value)
  assert(ok, why)
  return text
end

local function decode(text, int64, limits)
  local ok, value, why = values.decode('hessian2', text, int64, limits)
  assert(ok, why)
  return value
end

local function golden(name)
  local lines = {}
  for line in io.lines('spec/support/golden/hessian2_' .. name .. '.txt') do
    local key, text = line:match '^(.-)\t(%x*)$'
    lines[#lines + 1] = { key = key, bytes = unhex(text) }
  end
  return lines
end

describe('hessian2 from Java', function()
  for _, name in ipairs { 'caucho', 'dubbo', 'joyrpc' } do
    local lines = golden(name)

    it('reads what ' .. name .. ' writes', function()
      assert.is_true(#lines > 100)
      for _, line in ipairs(lines) do
        local value = decode(line.bytes)
        local kind, number = line.key:match '^(%a+) (%S+)$'
        if kind == 'int' or kind == 'long' or kind == 'double' then
          assert.equal(tonumber(number), value, line.key)
        elseif kind == 'date' then
          assert.equal(tonumber(number), value.value)
        elseif kind == 'bytes' then
          assert.equal(('\0'):rep(number), tostring(value))
        elseif kind == 'string' and tonumber(number) then
          assert.equal(('x'):rep(number), value)
        end
      end
    end)

    it('writes the same bytes of them as ' .. name, function()
      local back = { int = java.int, long = java.long, double = java.double, date = java.date }
      local count = 0
      for _, line in ipairs(lines) do
        local kind, number = line.key:match '^(%a+) (%S+)$'
        local again
        if back[kind] and tonumber(number) then
          again = encode(back[kind](tonumber(number)))
        elseif kind == 'string' or kind == 'bytes' then
          again = encode(decode(line.bytes))
        end
        if again then
          assert.equal(hex(line.bytes), hex(again), line.key)
          count = count + 1
        end
      end
      assert.is_true(count > 60)
    end)

    it('tells types and classes of ' .. name, function()
      local of = {}
      for _, line in ipairs(lines) do
        of[line.key] = decode(line.bytes)
      end
      assert.equal('a🌙b', of['string moon'])
      assert.same({ '[int', 3 }, { class_of(of['array int']), #of['array int'] })
      assert.equal('java.util.LinkedList', class_of(of['list linked']))
      assert.equal('five', of['map int'][5])
      assert.equal('RED', of.enum.name)
      assert.is_true(rawequal(of.shared[1], of.shared[2]))
      assert.is_true(rawequal(of.cycle, of.cycle.next))
      assert.equal('123456789012345678901234567890', of.bigint.value)
      assert.equal('-12.50', of.decimal.value)
      assert.same({ 1.5, 300, 7, 'x' }, { of.float, of.short, of.byte, of.char })
      local all = of.everything
      assert.same(
        { 1099511627776, 'moon', true, 1.5 },
        { all.large, all.text, all.flag, all.ratio }
      )
      assert.same({ 'GREEN', 1700000000123 }, { all.color.name, all.date.value })
      local exception = of.exception
      assert.equal('java.lang.IllegalStateException', class_of(exception))
      assert.same({ 'broken', 'cause' }, { exception.detailMessage, exception.cause.detailMessage })
      assert.is_true(rawequal(exception.cause, exception.cause.cause))
      assert.equal('B.java', exception.stackTrace[1].fileName)
    end)

    it('refuses each of ' .. name .. ' cut short', function()
      for _, line in ipairs(lines) do
        local step = #line.bytes > 100 and 23 or 1
        for length = 0, #line.bytes - 1, step do
          local ok, code = values.decode('hessian2', line.bytes:sub(1, length))
          assert.same({ false, 'BAD_REQUEST' }, { ok, code }, line.key)
        end
      end
    end)

    it('survives wrong bytes in those of ' .. name, function()
      for _, line in ipairs(lines) do
        local step = #line.bytes > 100 and 37 or 1
        for i = 1, #line.bytes, step do
          for _, bytes in ipairs {
            '\144',
            '\143',
            '\0',
            '\255',
            'I\127\255\255\255',
            'I\255\255\255\255',
            'Q',
          } do
            values.decode('hessian2', line.bytes:sub(1, i - 1) .. bytes .. line.bytes:sub(i + 1))
          end
        end
      end
    end)
  end

  it('knows java.time of dubbo', function()
    local of = {}
    for _, line in ipairs(golden 'dubbo') do
      of[line.key] = decode(line.bytes)
    end
    local moment = of['time ZonedDateTime']
    assert.equal('java.time.ZonedDateTime', class_of(moment))
    assert.equal('java.time.LocalDateTime', class_of(moment.dateTime))
    assert.same({ 29, 'Europe/Berlin' }, { moment.dateTime.date.day, moment.zoneId })
    assert.equal(1700000000, of['time Instant'].seconds)
  end)
end)
