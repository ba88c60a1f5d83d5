-- SPDX-License-Identifier: MIT
-- Requests of a stock Dubbo 2.7 in fastjson, and how they are answered.
local c = require 'spec.support.c'
local p = require 'spec.support.protocol'
local peers = require 'spec.support.golden.dubbo'

local lib = c.cdef 'base/err.h'
local hear = p.hear
local UP, DOWN, END, JSON, FASTJSON = p.UP, p.DOWN, 1, 251, 6

describe('protocol/dubbo in fastjson', function()
  local rig

  after_each(function()
    if rig then
      assert.equal(0, rig:free())
      rig = nil
    end
  end)

  local function request(name)
    return peers.messages[('2.fastjson_%s.request'):format(name)]
  end

  local function body_of(name)
    return hear(request(name)):match 'body=([^\n]*)'
  end

  it('reads the arguments of each kind of call', function()
    local heard = hear(request 'hello')
    assert.truthy(heard:find('iface=demo.Probe alias=prod method=sayHello', 1, true))
    assert.truthy(heard:find('ser=251', 1, true))
    assert.equal('["moon"]', body_of 'hello')
    assert.equal('[]', body_of 'void')
    assert.equal('[null]', body_of 'null')
    assert.truthy(body_of('object'):find('"age":36', 1, true))
    assert.truthy(hear(request 'generic'):find('method=sayHello', 1, true))
    assert.equal('["moon"]', body_of 'generic')
    assert.truthy(hear(request 'echo'):find 'flags=33 ')
    assert.equal('"are you there"', body_of 'echo')
  end)

  it('answers in lines', function()
    local function reply(fields)
      rig = p.rig { protocol = false }
      rig:send(UP, peers.with_id(request 'hello', 7)):pump()
      fields.type, fields.stream, fields.flags, fields.serializer = 'REPLY', 7, END, JSON
      rig:emit(DOWN, fields)
      rig:pump()
      local said = rig:wire(DOWN)
      assert.equal(0, rig:free())
      rig = nil
      assert.equal(#said - 16, said:byte(15) * 256 + said:byte(16))
      assert.equal(FASTJSON, said:byte(3))
      return said:byte(4), said:sub(17)
    end
    assert.same({ 20, '1\n{"a":1}\n' }, { reply { body = '{"a": 1}' } })
    assert.same({ 20, '2\n' }, { reply {} })
    local map = { attachments = '\x81\xA1k\xA1v', attachments_ser = 111 }
    assert.same({ 20, '5\n{"k":"v"}\n' }, { reply(map) })
    map.body = '1'
    assert.same({ 20, '4\n1\n{"k":"v"}\n' }, { reply(map) })
    assert.same({ 70, '"NOT_FOUND: no \\"moon\\""\n' }, {
      reply { code = lib.PERI_ENOT_FOUND, message = 'no "moon"' },
    })
    assert.equal(70, (reply { body = '{' }))
  end)

  it('names the functions among the arguments', function()
    local heard = hear(request 'callback')
    assert.truthy(heard:find('callback=1991471628/demo.dubbo.Watch$Listener/prod:3', 1, true))
    assert.equal('["tick",3,null]', body_of 'callback')
  end)

  it('bears messages that are cut, come byte by byte, or are wrong anywhere', function()
    local message = request 'object'
    local body = message:sub(17)
    assert.equal(hear(message), (hear(message, 1)))
    for n = 0, #body - 1 do
      local heard, said = hear(peers.with_body(message, body:sub(1, n)))
      assert.truthy(heard:find '^OPEN' or said:byte(4) == 40)
    end
    for at = 17, #message do
      for _, byte in ipairs { '\0', '\n', '"', '\\', '{', '\xFF' } do
        hear(message:sub(1, at - 1) .. byte .. message:sub(at + 1))
      end
    end
  end)
end)
