-- SPDX-License-Identifier: MIT
-- JoyRPC's envelopes in Hessian: what Java writes is read, what we write Java reads.
local ffi = require 'ffi'
local c = require 'spec.support.c'
local envelopes = require 'spec.support.envelopes'
local golden = require 'spec.support.golden.joyrpc'
local hexes = require 'spec.support.hex'

local lib = c.cdef('protocol/serializer.h', 'base/err.h')
local hessian = lib.peri_serializer_by_name 'hessian2'
local json = lib.peri_serializer_by_name 'json'
local msgpack = lib.peri_serializer_by_name 'msgpack'

local function transcode(from, text, to, out)
  out = out or c.buf()
  local err = ffi.new 'peri_err'
  local rc = lib.peri_serializer_transcode(from, c.bytes(text), to, envelopes.limits, out, err)
  assert.equal(0, rc, ffi.string(err.text))
  return c.string(out)
end

local hex = hexes.decode

local function read(kind, text)
  return envelopes.read(hessian, kind, text)
end

-- The body of an envelope around a value that is given in JSON.
local function write(kind, fields, value)
  return envelopes.write(hessian, kind, fields, value and function(out)
    transcode(json, value, hessian, out)
  end)
end

describe('a request envelope in Hessian', function()
  local captured = hex(golden.say_hello):sub(25)

  it('of Java is read; its arguments are decoded from the whole body', function()
    local found = assert(read('request', captured))
    assert.equal('sayHello', found.method)
    assert.equal('', found.iface .. found.alias)
    assert.equal('["world"]', transcode(hessian, found.args, json))
    assert.equal('{}', transcode(msgpack, found.attachments, json))
  end)

  it('is read as it was written, with objects in arguments and attachments', function()
    local attachments = transcode(json, '{"color":"blue","_trace":{"tr":"t1"}}', msgpack)
    local types = transcode(json, '["demo.Person"]', msgpack)
    local body = write('request', {
      iface = 'demo.S',
      alias = 'prod',
      method = 'hello \u{6708}',
      attachments = attachments,
      args_type = types,
    }, '[{"name":"Ada","tags":["a"]},null]')
    local found = assert(read('request', body))
    assert.same({ 'demo.S', 'prod', 'hello \u{6708}' }, { found.iface, found.alias, found.method })
    assert.equal('[{"name":"Ada","tags":["a"]},null]', transcode(hessian, found.args, json))
    assert.truthy(transcode(msgpack, found.attachments, json):find('"color":"blue"', 1, true))
    assert.truthy(transcode(msgpack, found.attachments, json):find('"tr":"t1"', 1, true))
  end)

  -- In MessagePack a double of one byte has five; the name comes in two chunks and is converted.
  it('keeps its texts while attachments grow', function()
    local body = hex '43 30 25'
      .. 'io.joyrpc.protocol.message.Invocation'
      .. hex '93'
      .. '\10methodName\5alias\11attachments'
      .. hex '60 52 0001 61 01 62 52 0001 63 01 64 48 01 6b 58 cf ff'
      .. hex('5b'):rep(2047)
      .. 'Z'
    local found = assert(read('request', body))
    assert.same({ 'ab', 'cd' }, { found.method, found.alias })
    assert.is_true(#found.attachments > 4 * #body)
  end)

  it('without arguments has none', function()
    local body = write('request', { method = 'touch' }, 'null')
    assert.equal('', assert(read('request', body)).args)
  end)

  it('is refused when cut at any byte, when something follows, and as another class', function()
    for n = 0, #captured - 1 do
      assert.is_nil((read('request', captured:sub(1, n))), n)
    end
    local _, code, text = read('request', captured .. 'N')
    assert.same(
      { 'BAD_REQUEST', 'hessian2: bytes after the envelope' },
      { code, text:match '^(.*) at' }
    )
    _, code, text = read('request', (captured:gsub('Invocation', 'Invocatiom')))
    assert.equal('BAD_REQUEST', code)
    assert.truthy(text:find 'io.joyrpc.protocol.message.Invocation')
  end)
end)

describe('a reply envelope in Hessian', function()
  it('carries a result, or nothing', function()
    local found = assert(read('reply', write('reply', {}, '{"a":[1,2]}')))
    assert.is_false(found.failed)
    assert.equal('{"a":[1,2]}', transcode(hessian, found.result, json))
    found = assert(read('reply', write('reply', {}, 'null')))
    assert.same({ false, '' }, { found.failed, found.result })
    assert.is_false(assert(read('reply', '')).failed)
  end)

  it('carries an error with code, message and whether it may be tried again', function()
    local body = write('reply', {
      failed = true,
      code = lib.PERI_EOVERLOADED,
      retry = true,
      message = 'too much',
    })
    local found = assert(read('reply', body))
    assert.same(
      { true, 'OVERLOADED', true, 'too much', 'io.joyrpc.exception.OverloadException' },
      { found.failed, found.code, found.retry, found.message, found.type }
    )
  end)

  it('carries an exception as a value, and gives it back as one', function()
    local body =
      write('reply', { failed = true, thrown = true, code = lib.PERI_EUNKNOWN }, '{"code":7}')
    assert.equal('{"code":7}', transcode(hessian, body, json))
    assert.is_true(assert(read('reply', body)).failed)
    assert.equal('null', transcode(hessian, write('reply', {}, 'null'), json))
  end)

  it('of Java tells the code by the class of the exception', function()
    -- ResponsePayload{response = null, exception = TimeoutException{detailMessage = "late"}}
    local body = hex '43 30 2a'
      .. 'io.joyrpc.protocol.message.ResponsePayload'
      .. hex '92'
      .. '\8response\9exception'
      .. hex '60 4e 43 30 24'
      .. 'io.joyrpc.exception.TimeoutException'
      .. hex '91'
      .. '\13detailMessage'
      .. hex '61'
      .. '\4late'
    local found = assert(read('reply', body))
    assert.same(
      { true, 'TIMEOUT', false, 'late' },
      { found.failed, found.code, found.retry, found.message }
    )
  end)
end)
