-- SPDX-License-Identifier: MIT
local app = require 'spec.support.app'
local child = require 'spec.support.child'
local cjson = require 'cjson'

local SERVICE = [[
perilune.export { interface = 'demo.Echo', alias = 'prod', int64 = 'cdata', service = {
  echo = function(ctx, ...) return { ... } end,
  attached = function(ctx) return ctx.call.attachments.color end,
  fail = function() return nil, perilune.error('NOT_FOUND', 'no such thing') end,
  nothing = function() end,
  slow = function(ctx) perilune.sleep(60000) end,
} }
perilune.listen 'tcp://127.0.0.1:0'
perilune.listen 'unix://%s'
]]

describe('perilune call', function()
  local server, socket

  setup(function()
    socket = app.script('', 'none') .. '.socket'
    server = app.serve(SERVICE:format(socket))
  end)
  teardown(app.stop_all)

  local function call(method, args, ...)
    return app.call(server, 'demo.Echo.' .. method, args, '--alias', 'prod', ...)
  end

  it('prints results as JSON, exactly', function()
    local result = call('echo', '[1, "two", [3.5, true], {"a": {}}]')
    assert.equal('[1,"two",[3.5,true],{"a":{}}]\n', result.output)
    assert.equal(0, result.code)
    assert.equal('null\n', call('nothing').output)
  end)

  it('takes and prints 64-bit integers', function()
    local text = '[9007199254740993,-9223372036854775808,{"id":18446744073709551615}]'
    assert.equal(text .. '\n', call('echo', text).output)
    assert.equal(text .. '\n', call('echo', text, '--serialization', 'json').output)
  end)

  it('speaks each serialization', function()
    for _, name in ipairs { 'json', 'msgpack' } do
      assert.equal('["x",2]\n', call('echo', '["x",2]', '--serialization', name).output)
    end
  end)

  it('sends attachments', function()
    assert.equal('"red=1"\n', call('attached', '[]', '--attach', 'color=red=1').output)
  end)

  it('calls over a unix socket', function()
    local result = child.run {
      child.binary(),
      'call',
      'unix://' .. socket,
      'demo.Echo.echo',
      '[7]',
      '--alias',
      'prod',
    }
    assert.equal('[7]\n', result.output)
  end)

  it('does not wait for somebody who is not there', function()
    local url, day = 'unix:///nowhere/of/ours', '86400000'
    for _, words in ipairs { { 'call', url, 'demo.Echo.echo' }, { 'status', url } } do
      local result = child.run { child.binary(), words[1], '--timeout', day, unpack(words, 2) }
      assert.equal(1, result.code)
      assert.matches('^perilune: %a+: .*NO_NODE: .*no such file', result.output)
    end
  end)

  it('ends with 1 and one line when the call fails, or JSON where asked', function()
    local result = call('fail')
    assert.equal(1, result.code)
    assert.equal('perilune: call: NOT_FOUND: no such thing\n', result.output)
    result = call('fail', '[]', '--json')
    assert.equal(1, result.code)
    local err = cjson.decode(result.output).error
    assert.equal('NOT_FOUND', err.code)
    assert.equal('no such thing', err.message)
    result = call('slow', '[]', '--timeout', '1000')
    assert.equal(1, result.code)
    assert.matches('TIMEOUT', result.output)
    result =
      child.run { child.binary(), 'call', 'joyrpc://127.0.0.1:1', 'a.b', '--timeout', '2000' }
    assert.equal(1, result.code)
    assert.equal(1, select(2, result.output:gsub('\n', '')), result.output)
    result = call('echo', '[]', '--serialization', 'kryo')
    assert.equal(2, result.code)
    assert.matches("serializer 'kryo' unknown; known: ", result.output)
  end)

  it('is measured by bench, in a closed and an open loop', function()
    local function bench(...)
      local result = child.run {
        child.binary(),
        'bench',
        server.url,
        'demo.Echo.echo',
        '["x"]',
        '--alias',
        'prod',
        '-c',
        '2',
        '-d',
        '4',
        '-t',
        '0.3',
        '--json',
        ...,
      }
      assert.equal(0, result.code, result.output)
      return cjson.decode(result.output)
    end
    local closed = bench()
    assert.is_true(closed.calls > 0)
    assert.equal(0, closed.failed)
    assert.is_true(closed.latency_ms.p50 <= closed.latency_ms.p99)
    assert.is_true(closed.latency_ms.p99 <= closed.latency_ms.max)
    local open = bench('--rate', '200')
    assert.is_true(open.calls + open.unsent <= 61, 'no more than the rate asks for')
    local table_of = child.run {
      child.binary(),
      'bench',
      server.url,
      'demo.Echo.echo',
      '["x"]',
      '--alias',
      'prod',
      '-t',
      '0.1',
    }
    assert.matches('p99%.9 +%d', table_of.output)
  end)
end)
