-- SPDX-License-Identifier: MIT
-- Every recorded message of stock Dubbo peers as a bad peer sends it.
local cuts = require 'spec.support.cuts'
local p = require 'spec.support.protocol'
local peers = require 'spec.support.golden.dubbo'

local UP, DOWN = p.UP, p.DOWN
local ID = 5

local function server()
  return p.rig { protocol = false }
end

-- A client that waits for the answer ID.
local function client()
  local rig = p.rig { protocol = 'dubbo' }
  assert(rig:open { iface = 'demo.Probe', alias = 'prod' })
  local id
  repeat
    id = rig:expect(UP)
  until id >= ID
  rig:emit(UP, { type = 'OPEN', flags = 1, stream = id, iface = 'i', method = 'm' })
  return rig
end

local function is_request(message)
  return message:byte(3) >= 128
end

describe('protocol/dubbo golden messages', function()
  for name, message in pairs(peers.messages) do
    local request = is_request(message)
    local it_ = request and cuts.new(server, UP) or cuts.new(client, DOWN)
    message = request and message or peers.with_id(message, ID)

    it('cut or in pieces: ' .. name, function()
      local heard, said = it_:whole(message)
      assert.truthy(heard:find(request and '^OPEN' or '^DONE 5'), heard)
      assert.truthy(not heard:find 'CLOSED')
      local heard_slowly, said_slowly = it_:byte_by_byte(message)
      assert.equal(heard, heard_slowly)
      assert.equal(said, said_slowly)
      it_:cut(message)
    end)

    it('with a length that lies: ' .. name, function()
      for lie, text in pairs(cuts.lies(message, 13, 4)) do
        local heard = it_:whole(text)
        if lie ~= '0' then
          assert.truthy(heard:find 'CLOSED TOO_BIG\n$', lie)
        elseif request then
          assert.equal('CLOSED PROTOCOL\n', heard)
        else
          assert.truthy(heard:find '^DONE 5 PROTOCOL message=.-CLOSED PROTOCOL\n$', heard)
        end
      end
    end)
  end
end)
