-- SPDX-License-Identifier: MIT
-- JoyRPC's envelopes in JSON: what Java writes is read, what we write Java reads.
local c = require 'spec.support.c'
local envelopes = require 'spec.support.envelopes'

local lib = c.cdef('protocol/serializer.h', 'protocol/serializer/java_error.h', 'base/err.h')
local json = lib.peri_serializer_by_name 'json'

local function read(kind, text)
  return envelopes.read(json, kind, text)
end

local function write(kind, fields, value)
  return envelopes.write(json, kind, fields, function(out)
    lib.peri_buf_add(out, value, #value)
  end)
end

describe('a request envelope', function()
  it('is read in any order, unknown keys skipped', function()
    local found = read(
      'request',
      ' {"x":{"y":["}",1]},"args":["wo\\"rld",{"a":[]}] ,"methodName":"say\\u0048ello","alias":'
        .. '"pr\\"od" , "className":"demo.DemoService","attachments":{"color":"blue"},'
        .. '"argsType":null}'
    )
    assert.same({
      iface = 'demo.DemoService',
      alias = 'pr"od',
      method = 'sayHello',
      args = '["wo\\"rld",{"a":[]}]',
      args_type = '',
      attachments = '{"color":"blue"}',
    }, found)
  end)

  it('may leave out or null anything', function()
    local empty = {}
    for _, name in ipairs(envelopes.request_fields) do
      empty[name] = ''
    end
    assert.same(empty, read('request', '{}'))
    local nulls = '{"alias":null,"className":null,"args":null,"attachments":null}'
    assert.same(empty, read('request', nulls))
  end)

  it('is refused when broken, at every truncation, and when nested too deep', function()
    local text = '{"className":"a.B","alias":"x\\n","methodName":"m","args":[1,{"b":"c"}]}'
    for length = 0, #text - 1 do
      local found, code, why = read('request', text:sub(1, length))
      assert.is_nil(found)
      assert.equal('BAD_REQUEST', code)
      assert.matches('offset %d+$', why)
    end
    assert.is_nil((read('request', text .. 'x')))
    assert.is_nil((read('request', '{"alias":1}')))
    assert.is_nil((read('request', '{"alias":"\255"}')))
    local _, code = read('request', '{"args":' .. ('['):rep(65) .. (']'):rep(65) .. '}')
    assert.equal('TOO_BIG', code)
  end)

  it('is written in the order that Java needs', function()
    assert.equal(
      '{"className":"demo.DemoService","alias":"demo","methodName":"sayHello","args":["world"],'
        .. '"attachments":{"color":"blue"}}',
      write('request', {
        iface = 'demo.DemoService',
        alias = 'demo',
        method = 'sayHello',
        attachments = '\129\165color\164blue',
      }, '["world"]')
    )
    assert.equal(
      '{"methodName":"no\\"tify","argsType":["java.lang.String"],"args":["x"]}',
      write('request', {
        method = 'no"tify',
        args_type = '\145\176java.lang.String',
        attachments = '\128',
      }, '["x"]')
    )
  end)
end)

describe('a reply envelope', function()
  it('carries a result, or nothing', function()
    local found = read('reply', '{"class":"java.lang.String","response":"hello"}')
    assert.is_false(found.failed)
    assert.same({ 'java.lang.String', '"hello"' }, { found.type, found.result })
    for _, text in ipairs { '', '{}', '{"class":"int","response":null}' } do
      found = read('reply', text)
      assert.same({ false, '' }, { found.failed, found.result })
    end
    found = read('reply', '{"response":{"message":"not an error"},"class":"demo.Note"}')
    assert.same({ false, '{"message":"not an error"}' }, { found.failed, found.result })
  end)

  it('carries an exception in the form of fastjson', function()
    local found = read(
      'reply',
      '{"class":"io.joyrpc.exception.OverloadException","exception":{"@type":'
        .. '"io.joyrpc.exception.OverloadException","localizedMessage":"full",'
        .. '"message":"f\\u0075ll","stackTrace":[{"className":"a"}]}}'
    )
    assert.same({
      failed = true,
      code = 'OVERLOADED',
      retry = true,
      message = 'full',
      result = '{"@type":"io.joyrpc.exception.OverloadException","localizedMessage":"full",'
        .. '"message":"f\\u0075ll","stackTrace":[{"className":"a"}]}',
      type = 'io.joyrpc.exception.OverloadException',
    }, found)
  end)

  it('carries an exception in the form of jackson', function()
    local exception = '{"cause":null,"stackTrace":[],"message":"no moon","suppressed":[],'
      .. '"localizedMessage":"no moon"}'
    local found =
      read('reply', '{"class":"java.lang.IllegalArgumentException","response":' .. exception .. '}')
    assert.same(
      { true, 'BAD_REQUEST', false, 'no moon', exception },
      { found.failed, found.code, found.retry, found.message, found.result }
    )
  end)

  it('maps the classes of JoyRPC to codes', function()
    local cases = {
      ['io.joyrpc.exception.SessionException'] = { 'SESSION_LOST', true },
      ['io.joyrpc.exception.ShutdownExecption'] = { 'SHUTDOWN', true },
      ['io.joyrpc.exception.RejectException'] = { 'UNAVAILABLE', true },
      ['io.joyrpc.exception.RpcException'] = { 'UNKNOWN', false },
      ['java.util.concurrent.TimeoutException'] = { 'TIMEOUT', false },
      ['demo.MyException'] = { 'UNKNOWN', false },
    }
    for class, want in pairs(cases) do
      local text = ('{"class":"%s","exception":{"detailMessage":"x"}}'):format(class)
      local found = read('reply', text)
      assert.same({ 'x', want[1], want[2] }, { found.message, found.code, found.retry })
    end
    local found = read('reply', '{"class":"a.B","exception":{"retry":true}}')
    assert.is_true(found.retry)
  end)

  it('goes by what JoyRPC says where its class says too little', function()
    local function said(code, text)
      return lib.peri_java_error_said(code, c.bytes(text))
    end
    local head =
      '[RPC-033016]Error occurs while processing request demo.A/b/c from channel d, caused by: '
    local no_method = head
      .. 'Cannot invoke "io.joyrpc.config.InterfaceOption$MethodOption.getMethod()" because ...'
    local no_service = head .. ' exporter is not found'
    assert.equal(lib.PERI_ENO_SERVICE, said(lib.PERI_EUNAVAILABLE, no_service))
    assert.equal(lib.PERI_ENO_METHOD, said(lib.PERI_EUNKNOWN, no_method))
    assert.equal(lib.PERI_EUNKNOWN, said(lib.PERI_EUNKNOWN, no_service))
    assert.equal(lib.PERI_EUNAVAILABLE, said(lib.PERI_EUNAVAILABLE, head))
    assert.equal(lib.PERI_EUNAVAILABLE, said(lib.PERI_EUNAVAILABLE, ''))
  end)

  it('is written with the inner type, and as {} for nothing', function()
    assert.equal('{"class":"java.lang.String","response":"x"}', write('reply', {}, '"x"'))
    assert.equal('{"class":"int","response":7}', write('reply', { type = 'int' }, '7'))
    assert.equal('{}', write('reply', {}, 'null'))
    assert.equal('{}', write('reply', { type = 'int' }, 'null'))
    assert.equal(
      '{"class":"java.lang.String","response":",\\"response\\":null"}',
      write('reply', {}, '",\\"response\\":null"')
    )
  end)

  it('brings every code back to another Perilune', function()
    local text = write('reply', {
      failed = true,
      code = lib.PERI_EOVERLOADED,
      retry = true,
      message = 'queue "full"\255',
    }, '')
    assert.equal(
      '{"class":"java.lang.Throwable","exception":{"@type":'
        .. '"io.joyrpc.exception.OverloadException","message":"queue \\"full\\"\239\191\189",'
        .. '"retry":true,"errorCode":"OVERLOADED"}}',
      text
    )
    for code = -28, -1 do
      text = write('reply', { failed = true, code = code, message = 'why' }, '')
      local found = read('reply', text)
      assert.same(
        { true, envelopes.code_name(code), 'why' },
        { found.failed, found.code, found.message }
      )
    end
  end)
end)

describe('the registry of serializers', function()
  it('is found by name, provider and id', function()
    assert.equal(json, lib.peri_serializer_by_id(13))
    assert.equal(json, lib.peri_serializer_by_name 'json@')
    assert.is_true(lib.peri_serializer_by_name 'json@nobody' == nil)
    assert.is_true(lib.peri_serializer_by_name 'jso' == nil)
    assert.equal(json, lib.peri_serializer_at(0))
    assert.is_true(lib.peri_serializer_at(1000) == nil)
  end)
end)
