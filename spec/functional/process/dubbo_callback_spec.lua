-- SPDX-License-Identifier: MIT
-- Functions of Dubbo consumers, with recorded messages of stock ones: whatever the call came in, they
-- are called in hessian2, which every consumer reads and then answers in, from executors too.
local app = require 'spec.support.app'
local peer = require 'spec.support.peer'
local peers = require 'spec.support.golden.dubbo'

local PROVIDER = [[
perilune.export {
  interface = perilune.interface { name = 'demo.dubbo.Watch', methods = { watch = {
    'java.lang.String', 'int', 'demo.dubbo.Watch$Listener', returns = 'java.lang.String' } },
    classes = { ['demo.dubbo.Watch$Listener'] = { methods = {
      heard = { 'java.lang.String', returns = 'java.lang.String' } } } } },
  alias = 'prod', executor = %s,
  service = { watch = function(_, text, count, listener)
    return perilune.check(listener(text .. ' 1')) .. count
  end },
}
perilune.listen 'tcp://127.0.0.1:0'
]]

local HEADER = 16

describe('a function of a Dubbo consumer', function()
  after_each(app.stop_all)

  -- The next message: flag, status, id, body.
  local function message(it_)
    while #it_.input < HEADER or #it_.input < HEADER + peer.number(it_.input, 13, 4) do
      assert(it_:read(), 'no message came')
    end
    local size = HEADER + peer.number(it_.input, 13, 4)
    local whole = it_.input:sub(1, size)
    it_.input = it_.input:sub(size + 1)
    return whole:byte(3), whole:byte(4), whole:byte(12), whole:sub(HEADER + 1)
  end

  for _, executor in ipairs { 'nil', "'pool'" } do
    for request, answer in pairs {
      fastjson_callback = '1\n"saw tick 13"\n',
      callback = '\x91\11saw tick 13',
    } do
      it(('is called, %s, executor %s'):format(request, executor), function()
        local server = app.serve(PROVIDER:format(executor), { args = { '--workers', '1' } })
        local it_ = peer.connect(tonumber(server.url:match ':(%d+)$'))
        finally(function()
          it_:close()
        end)
        it_:send(peers.messages['2.' .. request .. '.request'])
        local flag, _, id, body = message(it_)
        assert.equal(0xC2, flag, body) -- a request in hessian2 that wants an answer
        assert.truthy(body:find('\5heard\18Ljava/lang/String;\6tick 1', 1, true), body)
        it_:send(peers.with_id(peers.messages['2.callback.answer'], id))
        local status
        flag, status, _, body = message(it_)
        assert.equal(request == 'callback' and 2 or 6, flag)
        assert.equal(20, status)
        assert.equal(answer, body)
      end)
    end
  end
end)

describe('a pooled method of a Dubbo service', function()
  after_each(app.stop_all)

  it('answers values and exceptions', function()
    local server = app.serve [[
      perilune.export { interface = 'demo.Pooled', executor = 'pool', service = {
        list = function(_, text) return { text, 1, { a = perilune.null, b = { text } } } end,
        nothing = function() end,
        fail = function()
          return nil, perilune.error('NOT_FOUND', 'no moon',
            perilune.java.exception('demo.Gone', 'no moon', { code = 7 }))
        end,
      } }
      perilune.listen 'tcp://127.0.0.1:0'
    ]]
    local client = app.start(([[
      local pooled = perilune.refer { interface = 'demo.Pooled', url = '%s' }
      perilune.main(function()
        local list = perilune.check(pooled:list 'x')
        local _, err = pooled:fail()
        print(list[1], list[2], list[3].b[1], pooled:nothing(), err.class, err.details.code)
      end)
    ]]):format((server.url:gsub('^%w+', 'dubbo'))))
    assert.same({ code = 0 }, client:wait())
    assert.matches('x\t1\tx\tnil\tdemo.Gone\t7\n', client.output)
  end)
end)
