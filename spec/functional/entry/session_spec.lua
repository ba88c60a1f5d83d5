-- SPDX-License-Identifier: MIT
-- Requests that name another service than the session they come on.
local app = require 'spec.support.app'
local peer = require 'spec.support.peer'

local SERVICE = [[
local function exported(name, token)
  perilune.export { interface = name, auth = { 'token', token = token }, service = {
    who = function(ctx) return name .. ' ' .. tostring(ctx.identity) end,
  } }
end
exported('demo.Public', { bob = 's1' })
exported('demo.Secret', { alice = 's2' })
perilune.listen 'tcp://127.0.0.1:0'
]]

local AUTHENTICATE, AUTHENTICATED = 17, 18

-- A native request whose head names interface and alias.
local function naming(interface, method)
  local head = string.char(4, #method) .. method
  head = head .. string.char(0, #interface) .. interface .. string.char(0)
  local body = string.char(0, #head) .. head .. '\144'
  return peer.frame {
    type = peer.REQUEST,
    id = 2,
    session = 1,
    serialization = peer.msgpack,
    body = body,
  }
end

describe('a session that authenticated for one service', function()
  teardown(app.stop_all)

  it('opens no other', function()
    local port = tonumber(app.serve(SERVICE).urls[1]:match ':(%d+)$')
    local it = peer.session(port, 'demo.Public', '')
    it:send(peer.frame {
      type = AUTHENTICATE,
      session = 1,
      body = '{"type":"token","attributes":{"token":"s1"}}',
    })
    local kind, _, body = it:reply()
    assert.equal(AUTHENTICATED, kind)
    assert.truthy(body:find('"status":0', 1, true), body)
    local function answer(frame)
      it:send(frame)
      return (select(3, it:reply()))
    end
    assert.truthy(answer(naming('demo.Secret', 'who')):find('authenticated session', 1, true))
    local own = answer(peer.request('who', '\144', { session = 1 }))
    assert.truthy(own:find('demo.Public bob', 1, true), own)
    assert.truthy(answer(naming('demo.Secret', 'who')):find('authenticated session', 1, true))
    assert.truthy(answer(naming('demo.Public', 'who')):find('demo.Public bob', 1, true))
    it:close()
  end)
end)
