-- SPDX-License-Identifier: MIT
-- Callbacks in the form JoyRPC's Java side has: one in a call, named by an attribute, null among the
-- arguments, called with the server's own numbers outside of any session.
local app = require 'spec.support.app'
local peer = require 'spec.support.peer'

local PROVIDER = [[
perilune.export { interface = 'demo.News', executor = %s, service = {
  subscribe = function(ctx, topic, fn)
    if topic == 'guess' then
      local _, empty = fn('x', {})
      local _, large = fn(2 ^ 60)
      local java = perilune.java
      assert(fn:call(
        { oneway = true },
        nil, perilune.array {}, java.map('java.util.HashMap', {}), java.long(2 ^ 40), java.double(1),
          { x = 2 }, perilune.typed('demo.Person', { name = 'Ada' }), perilune.bytes 'a', 5LL, true,
          java.list('[int', { 1 }), java.list('[[string', { { 'a' } }), java.list('java.util.LinkedList', { 1 })
      ))
      return { empty.code, empty.message, empty.outcome, large.message }
    end
    local first = perilune.check(fn(topic .. ' 1', 7, 2.5, { 1 }))
    perilune.spawn(function() fn:call({ method = 'changed', timeout = 300 }, 'later') end)
    return first
  end,
} }
perilune.listen 'tcp://127.0.0.1:0'
]]

local NEGOTIATE = '{"serialization":"json","compression":null,"checksum":null,'
  .. '"serializations":["json"],"compressions":[],"checksums":[],'
  .. '"attributes":{"interface":"demo.News","alias":""}}'

local function cases(executor)
  local server, it_
  before_each(function()
    server = app.serve(PROVIDER:format(executor), { args = { '--workers', '1' } })
    it_ = peer.connect(tonumber(server.url:match ':(%d+)$'))
    it_:send(peer.frame { type = peer.NEGOTIATE, body = NEGOTIATE })
    assert.equal(peer.NEGOTIATED, (it_:reply()))
  end)
  after_each(function()
    it_:close()
    app.stop_all()
  end)

  local function subscribe(args, callback)
    it_:send(peer.frame {
      type = peer.REQUEST,
      id = 2,
      callback = callback,
      body = '{"className":"demo.News","alias":"","methodName":"subscribe",'
        .. '"argsType":["java.lang.String","io.joyrpc.Callback"],"args":'
        .. args
        .. '}',
    })
  end

  it('is told the classes of its arguments, or nothing is sent where they are unclear', function()
    subscribe('["guess",null]', '1')
    local all = select(3, it_:reply()) .. select(3, it_:reply())
    assert.truthy(
      all:find(
        '["BAD_REQUEST","argument 2 is an empty table, a list or a map to Java: pass '
          .. 'perilune.array {} or perilune.java.map, or declare',
        1,
        true
      ),
      all
    )
    assert.truthy(all:find('"NOT_SENT","argument 1 is a whole number beyond 2^53', 1, true))
    local types = all:match '"argsType":(%b[])'
    assert.equal(
      '["java.lang.Object","java.util.List","java.util.HashMap","java.lang.Long",'
        .. '"java.lang.Double","java.util.Map","demo.Person","byte[]","java.lang.Long",'
        .. '"java.lang.Boolean","int[]","java.lang.String[][]","java.util.LinkedList"]',
      types
    )
  end)

  it('is called as Java does it', function()
    subscribe('["moon",null]', '1993134103')
    local type, id, body, frame = it_:reply()
    assert.equal(peer.CALLBACK, type)
    assert.equal(1, id)
    assert.equal(0, peer.number(frame, 14, 4)) -- no session
    assert.equal(peer.json, frame:byte(18))
    assert.equal('\1\5\2\0\0101993134103', frame:sub(24, 38))
    assert.equal(
      '{"className":"io.joyrpc.Callback","methodName":"notify","argsType":["java.lang.String",'
        .. '"java.lang.Integer","java.lang.Double","java.util.List"],"args":["moon 1",7,2.5,[1]]}',
      body
    )
    it_:send(peer.frame {
      type = peer.CALLBACK_REPLY,
      id = id,
      session = 0,
      callback = '1993134103',
      body = '{"class":"java.lang.String","response":"seen"}',
    })
    -- The answer and the second call, in any order.
    local all = select(3, it_:reply()) .. select(3, it_:reply())
    assert.truthy(all:find('"response":"seen"', 1, true))
    assert.truthy(all:find('"methodName":"changed"', 1, true))
  end)

  it('that no argument has room for is a bad request', function()
    subscribe('["moon","star"]', '17')
    local type, _, body = it_:reply()
    assert.equal(peer.REPLY, type)
    assert.truthy(body:find('BAD_REQUEST', 1, true), body)
    subscribe('["moon",null]', ('1'):rep(2000))
    type, _, body = it_:reply()
    assert.equal(peer.REPLY, type)
    assert.truthy(body:find('BAD_REQUEST', 1, true), body)
    subscribe('["moon",null]', '1:x')
    type, _, body = it_:reply()
    assert.equal(peer.REPLY, type)
    assert.truthy(body:find('BAD_REQUEST', 1, true), body)
  end)
end

describe('a callback of a JoyRPC peer', function()
  cases 'nil'
end)

describe('a callback of a JoyRPC peer in an executor', function()
  cases "'pool'"
end)
