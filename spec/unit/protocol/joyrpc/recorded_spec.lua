-- SPDX-License-Identifier: MIT
-- Every recorded frame of stock JoyRPC peers, as it is and as a bad peer sends it.
local ffi = require 'ffi'
local c = require 'spec.support.c'
local cuts = require 'spec.support.cuts'
local golden = require 'spec.support.golden.joyrpc'
local hex = require 'spec.support.hex'
local p = require 'spec.support.protocol'
local recorded = require 'spec.support.golden.joyrpc_recorded'
local values = require 'spec.support.values'

local UP, DOWN = p.UP, p.DOWN
local REQUEST, RESPONSE, CALL, ANSWER = 1, 2, 4, 5

local lib = c.cdef('protocol/serializer.h', 'base/err.h')
local limits = ffi.new('peri_value_limits', 64, 2 ^ 16, 2 ^ 16, 2 ^ 20)

local function fresh()
  return p.rig { protocol = false }
end

-- A server that negotiated session 1 with a stock consumer.
local function server()
  return fresh():send(UP, hex.decode(golden.java_negotiation))
end

-- A client that waits for answer 1, without a session.
local function waiting()
  local rig = p.rig()
  assert.equal(1, rig:expect(UP))
  local open = { type = 'OPEN', flags = 1, stream = 1, iface = 'i', alias = 'a', method = 'm' }
  open.serializer = 13
  rig:emit(UP, open)
  return rig
end

local TAKEN = {
  [REQUEST] = { server, UP, '^OPEN' },
  [RESPONSE] = { waiting, DOWN, '^DONE 1 %u' },
  [CALL] = { waiting, DOWN, '^OPEN' },
  [ANSWER] = { fresh, UP, '^' }, -- to nobody
  [8] = { fresh, UP, '^SESSION' },
  [9] = { waiting, DOWN, '^' },
  [10] = { server, UP, '^' },
  [11] = { waiting, DOWN, '^' },
  [14] = { server, UP, '^' },
}

local function with_id(frame, id)
  return frame:sub(1, 9) .. '\0\0\0' .. string.char(id) .. frame:sub(14)
end

local function each(fn)
  for name, frame in pairs(recorded.frames) do
    local kind = frame:byte(9)
    fn(name, kind == RESPONSE and with_id(frame, 1) or frame, kind)
  end
end

local function body_of(frame)
  return frame:sub(8 + frame:byte(8) - 1)
end

describe('recorded frames of JoyRPC', function()
  it('are there for each serialization', function()
    local count = {}
    each(function(name)
      local serialization = name:match '^%l+'
      count[serialization] = (count[serialization] or 0) + 1
    end)
    for _, serialization in ipairs { 'hessian', 'json', 'protostuff' } do
      assert.is_true(count[serialization] > 80, serialization)
    end
  end)

  it('come whole or byte by byte', function()
    each(function(name, frame, kind)
      local about = TAKEN[kind]
      local it_ = cuts.new(about[1], about[2])
      local heard, said = it_:whole(frame)
      if kind == REQUEST and frame:sub(14, 17) ~= '\0\0\0\1' then
        assert.matches('SessionException', said, name) -- of a second consumer
      else
        assert.matches(about[3], heard, name)
      end
      assert.is_nil(heard:find 'CLOSED', name)
      local slowly, said_slowly = it_:byte_by_byte(frame)
      assert.equal(heard, slowly, name)
      assert.equal(#said, #said_slowly, name)
    end)
  end)

  it('may end at any byte', function()
    each(function(_, frame, kind)
      local about = TAKEN[kind]
      -- What is not whole is not looked into: no session is wanted.
      cuts.new(about[2] == UP and fresh or waiting, about[2]):cut(frame)
    end)
  end)

  it('may lie about their lengths', function()
    each(function(name, frame, kind)
      local it_ = cuts.new(TAKEN[kind][1], TAKEN[kind][2])
      for lie, text in pairs(cuts.lies(frame, 3, 4)) do
        local why = lie == '0' and 'PROTOCOL' or 'TOO_BIG'
        assert.matches('CLOSED ' .. why .. '\n$', (it_:whole(text)), name .. ' ' .. lie)
      end
      for lie, text in pairs(cuts.lies(frame, 7, 2)) do
        assert.matches('CLOSED PROTOCOL\n$', (it_:whole(text)), name .. ' ' .. lie)
      end
    end)
  end)

  -- What a body holds, decoded; false where something is refused.
  local function decode(frame, kind, body)
    local id = frame:byte(18)
    local serializer = lib.peri_serializer_by_id(id)
    local name = ffi.string(serializer.name)
    local scratch, err = c.buf(), ffi.new 'peri_err'
    local request = kind == REQUEST or kind == CALL
    local out = ffi.new(request and 'peri_envelope' or 'peri_reply_envelope')
    local read = request and serializer.read_request or serializer.read_reply
    if read(c.bytes(body), limits, scratch, out, err) ~= 0 then
      assert.is_true(ffi.string(err.text) ~= '')
      return false
    elseif request then
      return values.decode_args(name, c.string(out.args), 'cdata')
    end
    local result = c.string(out.result)
    return result == '' or values.decode(name, result, 'cdata')
  end

  it('may have any other byte in their bodies', function()
    each(function(name, frame, kind)
      local body = body_of(frame)
      if kind > ANSWER or body == '' then
        return
      end
      -- Protostuff's classes are declared in serializer/protostuff_golden_spec.lua.
      assert.is_true(decode(frame, kind, body) or name:find '^protostuff' ~= nil, name)
      for at = 1, #body do
        for _, byte in ipairs { '\0', '\127', '\255' } do
          decode(frame, kind, body:sub(1, at - 1) .. byte .. body:sub(at + 1))
        end
      end
    end)
  end)
end)
