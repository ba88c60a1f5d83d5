-- SPDX-License-Identifier: MIT
-- Requests of a stock Dubbo 2.7 in fastjson, and how they are answered.
local c = require 'spec.support.c'
local p = require 'spec.support.protocol'
local peers = require 'spec.support.golden.dubbo'

local lib = c.cdef 'base/err.h'
local hear = p.hear
local UP, DOWN, END, JSON, FASTJSON, GENERIC = p.UP, p.DOWN, 1, 251, 6, 254

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
    assert.truthy(hear(request 'generic'):find 'method=sayHello .-ser=254 ')
    assert.equal('["moon"]', body_of 'generic')
    assert.truthy(hear(request 'echo'):find 'flags=33 ')
    assert.equal('"are you there"', body_of 'echo')
  end)

  it('reads keys that have no quotes', function()
    local message = request 'hello'
    local body = message:sub(17):gsub('"moon"', '{1:"one",2000:"many"}')
    local heard = hear(peers.with_body(message, body))
    assert.equal('[{"1":"one","2000":"many"}]', heard:match 'body=([^\n]*)')
  end)

  it('answers in lines', function()
    local function reply(fields)
      rig = p.rig { protocol = false }
      rig:send(UP, peers.with_id(request 'hello', 7)):pump()
      fields.type, fields.stream, fields.flags = 'REPLY', 7, END
      fields.serializer = fields.serializer or JSON
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
    local generic = { serializer = GENERIC, body = '{"class": "demo.A"}' }
    assert.same({ 20, '1\n{"class":"demo.A"}\n' }, { reply(generic) })
    generic = { serializer = GENERIC, code = lib.PERI_ENOT_FOUND, message = 'no' }
    assert.same({ 70, '"NOT_FOUND: no"\n' }, { reply(generic) })
    assert.equal(70, (reply { serializer = GENERIC, body = '{' }))
  end)

  it('names the functions among the arguments', function()
    local heard = hear(request 'callback')
    assert.truthy(heard:find('callback=1991471628/demo.dubbo.Watch$Listener/prod:3', 1, true))
    assert.equal('["tick",3,null]', body_of 'callback')
  end)

  describe('calls of ours', function()
    local function call(fields)
      rig = p.rig { protocol = 'dubbo' }
      fields.type, fields.flags = 'OPEN', END + (fields.flags or 0)
      fields.stream, fields.serializer = 5, JSON
      fields.iface, fields.alias = 'demo.Probe', fields.alias or 'prod:1.2'
      fields.timeout_ms = 250
      fields.args_type = fields.args_type and c.bytes(fields.args_type)
      rig:emit(UP, fields)
      rig:pump()
      local said = rig:wire(UP)
      assert.equal(0, rig:free())
      rig = nil
      assert.equal(#said - 16, said:byte(15) * 256 + said:byte(16))
      assert.equal('\xDA\xBB\xC6\0', said:sub(1, 4))
      return said:sub(17)
    end

    local HEAD = '"2.0.2"\n"demo.Probe"\n"1.2"\n'
    local TAIL = '{"path":"demo.Probe","interface":"demo.Probe","version":"1.2","group":"prod",'
      .. '"timeout":"250"}\n'
    local STRINGS = '\x92\xB0java.lang.String\xA3int'

    it('are lines, too', function()
      local body = '["a,\\"[b",[1,{"k":",]"}]]'
      local lines = '"twice"\n"Ljava/lang/String;I"\n"a,\\"[b"\n[1,{"k":",]"}]\n'
      local typed = { method = 'twice', args_type = STRINGS, body = body }
      assert.equal(HEAD .. lines .. TAIL, call(typed))
      local none = HEAD .. '"touch"\n""\n' .. TAIL
      assert.equal(none, call { method = 'touch', args_type = '\x90', body = '[]' })
      assert.equal(none, call { method = 'touch', args_type = '\x90' })
    end)

    it('go by the name of the method where nobody told the types', function()
      local head = HEAD
        .. '"$invoke"\n"Ljava/lang/String;[Ljava/lang/String;[Ljava/lang/Object;"\n"hello"\nnull\n'
      local tail = TAIL:gsub('}', ',"generic":"raw.return"}')
      assert.equal(head .. '["x",2]\n' .. tail, call { method = 'hello', body = '["x",2]' })
      assert.equal(head .. '[]\n' .. tail, call { method = 'hello' })
    end)

    it('tell a version where there is none, as Java does', function()
      local said = call { method = 'touch', args_type = '\x90', alias = 'prod' }
      assert.equal(1, (said:find('"2.0.2"\n"demo.Probe"\n"0.0.0"\n', 1, true)))
      assert.is_nil(said:find('"version"', 1, true))
    end)

    local function answer(status, body)
      rig = p.rig { protocol = 'dubbo' }
      assert(rig:open { iface = 'demo.Probe', alias = 'prod', serializer = 'json' })
      local id = rig:expect(UP)
      rig:emit(UP, { type = 'OPEN', flags = END, stream = id, iface = 'i', method = 'm' })
      local message = '\xDA\xBB\6' .. string.char(status) .. ('\0'):rep(12)
      rig:send(DOWN, peers.with_id(peers.with_body(message, body), id)):pump()
      local heard = rig:heard(UP)
      assert.equal(0, rig:free())
      rig = nil
      return heard
    end

    it('are answered in lines', function()
      assert.matches(
        '^DONE %d+ OK .-ser=251 .-body={"a":1}',
        answer(20, '4\n{"a":1}\n{"dubbo":"2.0.2"}\n')
      )
      assert.matches('^DONE %d+ OK .-attachments=5 .-body=7', answer(20, '4\r\n7\r\n{"k":"v"}\r\n'))
      assert.matches('^DONE %d+ OK ser=251[^=]*$', answer(20, '5\n{}\n'))
      assert.matches('^DONE %d+ OK ser=251[^=]*$', answer(20, '1\nnull'))
      assert.matches(
        '^DONE %d+ UNKNOWN message=no "luck" .-body={"@type"',
        answer(20, '3\n{"@type":"demo.Failed","code":7,"message":"no \\"luck\\""}\n{}\n')
      )
      assert.matches('^DONE %d+ TIMEOUT ', answer(20, '0\n{"@type":"a.TimeoutException"}'))
      assert.matches('^DONE %d+ UNKNOWN', answer(20, '0\nnull'))
      assert.matches('^DONE %d+ OVERLOADED flags=1 message=full', answer(100, '"full\\nat x"\n'))
      assert.matches('^DONE %d+ NO_METHOD flags=1 message=gone', answer(60, '"NO_METHOD: gone"'))
      for _, body in ipairs { '', '\n', '9\n', '11\n', '-1\n', '0\n[', '4\n1\n{' } do
        assert.matches('^DONE %d+ %u+ ', answer(20, body))
        assert.is_nil(answer(20, body):find ' OK ', body)
      end
      assert.matches('^DONE %d+ INTERNAL', answer(70, ''))
    end)

    it('may be answered with keys that have no quotes', function()
      local heard = answer(20, '1\n{1:"a,2:",-20 :{true:[3,{4.5:6}],"k":7},"x":[8,9]}\n')
      local body = '{"1":"a,2:","-20" :{"true":[3,{"4.5":6}],"k":7},"x":[8,9]}'
      assert.truthy(heard:find('body=' .. body, 1, true), heard)
      assert.truthy(answer(20, '4\n{1:2}\n{"k":"v"}\n'):find('body={"1":2}', 1, true))
      local deep = ('{1:'):rep(200) .. '0' .. ('}'):rep(200)
      assert.matches('^DONE', answer(20, '1\n' .. deep))
    end)

    it('are no others than these', function()
      rig = p.rig { protocol = 'dubbo' }
      local session, code, why = rig:open { iface = 'i', alias = 'a', serializer = 'protostuff' }
      assert.is_nil(session)
      assert.equal(lib.PERI_ECONFIG, code)
      assert.equal("over Dubbo serialization is 'hessian2', or 'json' for fastjson", why)
      for name, id in pairs { json = JSON, hessian2 = 250, ['hessian2@dubbo'] = 250 } do
        session = rig:open { iface = 'i', alias = 'a', serializer = name }
        assert.equal(id, session.serializer.id)
      end
    end)
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
