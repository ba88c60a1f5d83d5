-- SPDX-License-Identifier: MIT
-- Every golden frame as a bad peer sends it.
local cuts = require 'spec.support.cuts'
local golden = require 'spec.support.golden.joyrpc'
local hex = require 'spec.support.hex'
local p = require 'spec.support.protocol'

local UP, DOWN = p.UP, p.DOWN

local function bytes(name)
  return hex.decode(golden[name])
end

-- A server that negotiated session 1 with a stock consumer.
local function server()
  return p.rig({ protocol = false }):send(UP, bytes 'java_negotiation')
end

local function fresh()
  return p.rig({ protocol = false })
end

-- Two of ours; the client waits for the answer 2.
local function client()
  local rig = p.rig()
  local session = assert(rig:open { iface = 'i', alias = 'a' })
  assert.equal(2, rig:expect(UP))
  rig:emit(
    UP,
    { type = 'OPEN', flags = 1, stream = 2, session = session, method = 'm', serializer = 111 }
  )
  return rig
end

local function native()
  local rig = p.rig()
  assert(rig:open { iface = 'i', alias = 'a' })
  return rig
end

-- Who hears a frame and who sends it; `fields` are the lengths beside the two that each frame has.
local FRAMES = {
  say_hello = { server, UP },
  java_negotiation = { fresh, UP },
  heartbeat = { server, UP },
  heartbeat_reply = { client, DOWN },
  shake = { server, UP },
  shake_reply = { client, DOWN },
  offline = { client, DOWN },
  protostuff_authentication = { server, UP, fields = { { 26, 1 }, { 35, 1 } } },
  void_reply = { client, DOWN, id = 2 },
  json_request = { server, UP },
  callback_request = { server, UP, fields = { { 27, 2 } } },
  native_request = { native, UP, fields = { { 25, 2 }, { 28, 1 } } },
  native_error = { client, DOWN, fields = { { 25, 2 }, { 29, 2 } } },
  native_error_details = { client, DOWN, fields = { { 25, 2 }, { 29, 2 }, { 36, 2 } } },
  native_goaway = { client, DOWN },
  native_cancel = { native, UP },
}

-- Where Java's serialization has the length of a text, from 1.
local function text_lengths(message)
  local found = {}
  for at = 25, #message - 3 do
    local kind, high, low = message:byte(at, at + 2)
    local text = message:sub(at + 3, at + 2 + low)
    if (kind == 0x74 or kind == 0x72) and high == 0 and low > 0 and not text:find '[^%g]' then
      found[#found + 1] = at + 1
    end
  end
  return found
end

describe('protocol/joyrpc golden frames', function()
  for name in pairs(golden) do
    local about = FRAMES[name]
    local message = bytes(name)
    local it_ = cuts.new(about[1], about[2])
    if about.id then
      message = message:sub(1, 9) .. '\0\0\0' .. string.char(about.id) .. message:sub(14)
    end

    it('cut or in pieces: ' .. name, function()
      local heard, said = it_:whole(message)
      assert.truthy(not heard:find 'CLOSED')
      local heard_slowly, said_slowly = it_:byte_by_byte(message)
      assert.equal(heard, heard_slowly)
      assert.equal(#said, #said_slowly)
      it_:cut(message)
    end)

    it('with lengths that lie: ' .. name, function()
      for lie, text in pairs(cuts.lies(message, 3, 4)) do
        local why = lie == '0' and 'PROTOCOL' or 'TOO_BIG'
        assert.truthy((it_:whole(text)):find('CLOSED ' .. why .. '\n$'), lie)
      end
      for lie, text in pairs(cuts.lies(message, 7, 2)) do
        assert.truthy((it_:whole(text)):find 'CLOSED PROTOCOL\n$', lie)
      end
      for _, field in ipairs(about.fields or {}) do
        for lie, text in pairs(cuts.lies(message, field[1], field[2])) do
          local heard, said = it_:whole(text)
          local refused = heard:find 'CLOSED PROTOCOL\n$'
            or heard:find '^DONE 2 [A-NP-Z]'
            or heard == '' and #said > 24
          assert.truthy(refused, ('byte %d is %s: %s'):format(field[1], lie, heard))
        end
      end
    end)
  end

  it('refuses a negotiation with the length of any text replaced', function()
    local message = bytes 'java_negotiation'
    local found = text_lengths(message)
    assert.is_true(#found > 40, #found)
    local it_ = cuts.new(fresh, UP)
    for _, at in ipairs(found) do
      for lie, text in pairs(cuts.lies(message, at, 2)) do
        assert.equal('CLOSED PROTOCOL\n', (it_:whole(text)), ('byte %d is %s'):format(at, lie))
      end
    end
  end)

  local function any_byte(start, message)
    local it_ = cuts.new(start, UP)
    for at = 25, #message do
      for _, byte in ipairs { '\0', '\x1F', '\x7F', '\xFF' } do
        local heard, said = it_:whole(message:sub(1, at - 1) .. byte .. message:sub(at + 1))
        assert.is_true(heard ~= '' or said ~= '', at)
      end
    end
  end

  it('answers, takes or closes with any byte of a Hessian body replaced', function()
    any_byte(server, bytes 'say_hello')
    local rig = p.rig()
    assert(rig:open { iface = 'i', alias = 'a' })
    local negotiation = rig:wire(UP)
    rig:free()
    any_byte(fresh, negotiation)
  end)
end)
