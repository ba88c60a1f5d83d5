-- SPDX-License-Identifier: MIT
-- Functions as arguments, as stock Dubbo 2.7 and 3.2 write them.
local c = require 'spec.support.c'
local p = require 'spec.support.protocol'
local peers = require 'spec.support.golden.dubbo'

local hear = p.hear
local UP, DOWN, END, CALLBACK = p.UP, p.DOWN, 1, 8
local KEY = '\23callback.service.instid'

describe('protocol/dubbo callbacks', function()
  local rig

  after_each(function()
    if rig then
      assert.equal(0, rig:free())
      rig = nil
    end
  end)

  local function changed(message, from, to)
    local body = message:sub(17)
    local first, last = body:find(from, 1, true)
    return peers.with_body(message, body:sub(1, first - 1) .. to .. body:sub(last + 1))
  end

  for version, id in pairs { ['2'] = '10512665', ['3'] = '1563634025' } do
    local request = peers.messages[version .. '.callback.request']
    local call = peers.messages[version .. '.callback.call']

    it('are named by number, class and group when they arrive, from ' .. version .. '.x', function()
      local name = ('callback=%s/demo.dubbo.Watch$Listener/prod:3'):format(id)
      assert.truthy(hear(request):find(name, 1, true))
    end)

    it('are called by the provider, as ' .. version .. '.x does it', function()
      rig = p.rig { protocol = false }
      rig:send(UP, request):pump()
      rig:emit(DOWN, {
        type = 'OPEN',
        flags = END + CALLBACK,
        stream = 1,
        method = 'heard',
        callback = id .. '/demo.dubbo.Watch$Listener/prod',
        args_type = c.bytes '\x91\xB0java.lang.String',
        body = '["tick 1"]',
        serializer = 13,
      })
      rig:pump()
      local said = rig:wire(DOWN)
      assert.truthy(
        said:find('\25demo.dubbo.Watch$Listener\0\5heard\18Ljava/lang/String;\6tick 1', 1, true)
      )
      assert.truthy(said:find(KEY .. string.char(#id) .. id, 1, true))
      assert.truthy(said:find('\5group\4prod', 1, true))
    end)

    it('are run for the provider, and answered, as ' .. version .. '.x does it', function()
      rig = p.rig { protocol = 'dubbo' }
      rig:send(DOWN, call):pump()
      local heard = rig:heard(UP)
      assert.truthy(heard:find 'OPEN %d+ flags=9 ')
      assert.truthy(heard:find('method=heard', 1, true))
      assert.truthy(heard:find('callback=' .. id, 1, true))
    end)
  end

  it('that were handed on with a call they do not belong to are no arguments', function()
    local request = peers.messages['2.callback.request']
    assert.falsy(hear(changed(request, '\x93N', '\x93\1x')):find 'callback=%d')
    assert.falsy(hear(changed(request, 'arg-2', 'arg-1')):find 'callback=%d')
    assert.falsy(hear(changed(request, 'arg-2', 'arg-7')):find 'callback=%d')
    assert.falsy(hear(changed(request, 'arg-2', 'arg-x')):find 'callback=%d')
  end)

  it('are refused when their name could not be told from another', function()
    local request = peers.messages['2.callback.request']
    local parts = { ['\4prod'] = '\4p:od', ['Listener;'] = 'Listen,r;', ['1051'] = '1/51' }
    for from, to in pairs(parts) do
      local heard, said = hear(changed(request, from, to))
      assert.equal('', heard)
      assert.equal(40, said:byte(4))
    end
  end)

  it('go out with the arguments, and nothing else may call', function()
    rig = p.rig { protocol = 'dubbo' }
    rig:emit(UP, {
      type = 'OPEN',
      flags = END,
      stream = 1,
      iface = 'demo.dubbo.Watch',
      method = 'watch',
      callback = '17:1,18:3',
      args_type = c.bytes '\x91\xA3int',
    })
    rig:pump()
    local said = rig:wire(UP)
    assert.truthy(said:find('\18sys_callback_arg-0\00217', 1, true))
    assert.truthy(said:find('\18sys_callback_arg-2\00218', 1, true))
    rig:send(DOWN, peers.messages['2.hello.request']):pump()
    assert.falsy(rig:heard(UP):find 'OPEN')
    assert.equal(60, rig:wire(UP):match('\xDA\xBB\2(.)'):byte())
  end)

  it('end with the answer of the peer', function()
    rig = p.rig { protocol = false }
    rig:send(UP, peers.messages['2.callback.request']):pump()
    local id = rig:expect(DOWN)
    rig:emit(DOWN, {
      type = 'OPEN',
      flags = END + CALLBACK,
      stream = id,
      method = 'heard',
      callback = '1/demo.Listener/',
    })
    rig:pump():news(DOWN)
    rig:send(UP, peers.with_id(peers.messages['2.callback.answer'], id)):pump()
    assert.truthy(rig:news(DOWN):find('DONE 1 OK.-saw tick 1'))
  end)

  it('bear any byte', function()
    local message = peers.messages['3.callback.request']
    for at = 17, #message do
      for _, byte in ipairs { '\0', ':', 'N', '\x7F', '\xFF' } do
        hear(message:sub(1, at - 1) .. byte .. message:sub(at + 1))
      end
    end
  end)

  it('leave $echo to whoever knows the services', function()
    for _, version in ipairs { '2', '3' } do
      local heard = hear(peers.messages[version .. '.echo.request'])
      assert.truthy(heard:find 'OPEN %d+ flags=33 ')
      assert.truthy(heard:find('iface=demo.Probe alias=prod method=$echo', 1, true))
      assert.truthy(heard:find('are you there', 1, true))
    end
  end)
end)
