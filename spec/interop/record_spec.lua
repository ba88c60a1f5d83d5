-- SPDX-License-Identifier: MIT
-- Writes spec/support/golden/joyrpc.txt: what a stock consumer and a stock provider say to each other
-- in the cases of demo.Probe. Only when asked: PERILUNE_RECORD=1 ./dev test interop spec/interop/record_spec.lua
local java = require 'spec.interop.java'
local life = require 'spec.interop.life'
local unhex = require('spec.support.hex').decode

local PATH = 'spec/support/golden/joyrpc.txt'
local HEAD =
  '# Frames between stock JoyRPC peers, 1.4.7: SERIALIZATION.METHOD.N.DIRECTION, then the bytes\n'
local LONGEST = 1000 -- bytes
local REQUEST, RESPONSE = 1, 2

local SERIALIZATIONS = {
  { name = 'protostuff', without = 'no such jar', most = 10 }, -- calls of one method
  { name = 'hessian', without = 'no such jar', most = 1 },
  { name = 'json', without = 'jackson', most = 1 }, -- Fastjson
}

-- Messages beside the calls, recorded once for each serialization.
local OTHERS = {
  [4] = 'callback.1.call',
  [5] = 'callback.1.answer',
  [8] = 'negotiation.1.ask',
  [9] = 'negotiation.1.answer',
  [10] = 'heartbeat.1.ask',
  [11] = 'heartbeat.1.answer',
}

-- Methods of the interface, those first that begin like others.
local function methods()
  local file = assert(io.open 'spec/interop/java/api/src/main/java/demo/Probe.java')
  local names = {}
  for name in file:read('*a'):gmatch '(%w+)%(' do
    names[#names + 1] = name
  end
  file:close()
  table.sort(names, function(a, b)
    return #a > #b
  end)
  return names
end

local function method_of(frame, names)
  for _, name in ipairs(names) do
    local is = frame:find(string.char(#name) .. name, 25, true)
    if is or frame:find(('"methodName":"%s"'):format(name), 25, true) then
      return name
    end
  end
end

-- The frames of calls, named; a request and its answer have the same id.
local function name_frames(text, serialization, most)
  local names, lines, count, of = methods(), {}, {}, {}
  for hex in text:gmatch 'frame %a+ (%x+)' do
    local frame = unhex(hex)
    local kind, id = frame:byte(9), frame:sub(10, 13)
    local method = kind == REQUEST and method_of(frame, names)
    if method then
      count[method] = (count[method] or 0) + 1
      local wanted = count[method] <= most
      of[id] = wanted and ('%s.%s.%d'):format(serialization, method, count[method]) or nil
    end
    local direction = kind == REQUEST and 'request' or kind == RESPONSE and 'response'
    local other = OTHERS[kind]
    if other and not of[other] then
      of[other] = true
      lines[#lines + 1] = ('%s.%s %s'):format(serialization, other, hex)
    elseif direction and of[id] then
      lines[#lines + 1] = ('%s.%s %s'):format(of[id], direction, hex)
    end
  end
  return lines
end

describe('JoyRPC, recorded', function()
  if not os.getenv 'PERILUNE_RECORD' then
    return
  end

  it('is written', function()
    assert.is_nil(java.missing())
    finally(java.stop_all)
    local out = { HEAD }
    for _, serialization in ipairs(SERIALIZATIONS) do
      local provider = java.provider('joyrpc', { without = serialization.without })
      local wire = life.wire(provider, { show = LONGEST })
      java.cases('joyrpc', {
        port = wire.port,
        serialization = serialization.name,
        without = serialization.without,
      })
      local frames = wire:tell 'report'
      for _, line in ipairs(name_frames(frames, serialization.name, serialization.most)) do
        out[#out + 1] = line .. '\n'
      end
      provider:stop()
      wire.process:stop()
    end
    local file = assert(io.open(PATH, 'w'))
    file:write(table.concat(out))
    file:close()
    assert.is_true(#out > 100)
  end)
end)
