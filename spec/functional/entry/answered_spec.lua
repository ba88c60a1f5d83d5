-- SPDX-License-Identifier: MIT
-- Every request has one answer, whatever is in it: those of Java peers, broken at random, and those of our
-- own. Longer: PERILUNE_ROUNDS=5000 ./dev test functional spec/functional/entry/answered_spec.lua
local app = require 'spec.support.app'
local peer = require 'spec.support.peer'
local values = require 'spec.support.values'

package.loaded['perilune.core'] = package.loaded['perilune.core'] or values
local java = require 'perilune.protocol.java'

local ROUNDS = tonumber(os.getenv 'PERILUNE_ROUNDS') or 30
local EACH = 40 -- requests of a round

local PROVIDER = [[
local probe = perilune.interface [=[
  package demo;
  interface Probe { String sayHello(String name); Person echoPerson(Person who); List<String> echoList(List<String> list);
    Map<String, Object> echoMap(Map<String, Object> map); int[] echoInts(int[] list); Object echoObject(Object value); }
  class Person { String name; int age; }
]=]
local service = {}
for name in pairs(probe.methods) do
  service[name] = function(_, value) return value end
end
service.sayHello = function(_, name) return nil, 'no ' .. tostring(name) end
perilune.export { interface = probe, alias = 'prod', service = service, int64 = 'cdata', executor = %s }
perilune.listen 'tcp://127.0.0.1:0'
]]
local METHODS =
  { 'sayHello', 'echoPerson', 'echoList', 'echoMap', 'echoInts', 'echoObject', 'nowhere' }

local function any(list)
  return list[math.random(#list)]
end

-- What the fuzz targets begin with: bodies of requests that Java peers sent.
local function corpus(name, skip)
  local found = {}
  local folder = 'spec/fuzz/corpus/' .. name
  local pipe = assert(io.popen('ls ' .. folder))
  for file in pipe:lines() do
    -- Who is called back waits for an answer.
    if file:find 'request' and not file:find 'callback' then
      local handle = assert(io.open(folder .. '/' .. file, 'rb'))
      found[#found + 1] = handle:read('*a'):sub(1 + skip)
      handle:close()
    end
  end
  pipe:close()
  assert(#found > 0)
  return found
end

local PIECES =
  { '\230\156\136', '\255', 'N', 'Z', '\0', '\127\255', 'r\7[object', '\202\1', '\196' }

local function broken(text)
  for _ = 1, math.random(0, 3) do
    local at = math.random(math.max(1, #text))
    local before, after = text:sub(1, at - 1), text:sub(at + math.random(0, 3))
    text = before .. any { '', string.char(math.random(0, 255)), any(PIECES), text:sub(at, at + 3) }
    text = text .. (math.random(6) > 1 and after or '')
  end
  return text
end

local function envelopes()
  local serializers = { [2] = 'hessian2_envelope', [13] = 'json_envelope', [14] = 'protostuff' }
  local bodies = {}
  for id, name in pairs(serializers) do
    for _, body in ipairs(corpus(name, 0)) do
      bodies[#bodies + 1] = { id, body }
    end
  end
  return function(id)
    local serializer, body = unpack(any(bodies))
    return peer.frame {
      type = peer.REQUEST,
      id = id,
      session = 0,
      serialization = serializer,
      body = broken(body),
    }
  end
end

local function natives()
  local bodies = { { 110, 'raw' }, { 99, 'x' }, { 250, 'x' }, { 2, 'r\7[object\1ay\145' } }
  local serializers = { [2] = 'hessian2', [13] = 'json', [14] = 'protostuff', [111] = 'msgpack' }
  for id, name in pairs(serializers) do
    for _, value in ipairs {
      'moon',
      { 1, 2 },
      { a = 1, b = { 'c' } },
      java.list('[int', { 1, 2 }),
      java.map('java.util.TreeMap', { a = 1 }),
      java.decimal '1.5',
    } do
      bodies[#bodies + 1] = { id, (select(2, values.encode_args(name, value))) }
    end
  end
  return function(id)
    local serializer, body = unpack(any(bodies))
    local method = any(METHODS)
    return peer.request(method, broken(body), {
      id = id,
      serialization = serializer,
      compression = any { 0, 0, 0, 0, 2, 3, 4, 5, 99 },
    })
  end
end

local function dubbo()
  local messages = corpus('dubbo', 1)
  return function(id)
    local message = any(messages)
    local body = broken(message:sub(17))
    return message:sub(1, 4) .. ('\0'):rep(4) .. peer.u32(id) .. peer.u32(#body) .. body
  end
end

-- The id of the next answer; nil at the end, which `closed` tells from silence.
local function dubbo_answer(it)
  while true do
    local length = #it.input >= 16 and peer.number(it.input, 13, 4)
    if length and #it.input >= 16 + length then
      local request, id = it.input:byte(3) >= 128, peer.number(it.input, 9, 4)
      it.input = it.input:sub(17 + length)
      if not request then
        return id
      end
    elseif not it:read() then
      return nil
    end
  end
end

local function joyrpc_answer(it)
  while true do
    local type, id = it:reply()
    if not type or type == peer.REPLY then
      return type and id
    end
  end
end

local function round(it, make, answer)
  local sent, left = {}, EACH
  for id = 1, EACH do
    sent[id] = make(id)
  end
  it:send(table.concat(sent))
  while left > 0 do
    local id = answer(it)
    if not id then -- too much of it ends a connection
      assert.is_false(it:read(1), ('%d requests have no answer'):format(left))
      return
    end
    assert.truthy(sent[id], 'an answer too many')
    sent[id] = nil
    left = left - 1
  end
end

describe('a request has one answer', function()
  local port

  before_each(function()
    math.randomseed(tonumber(os.getenv 'PERILUNE_SEED') or 7)
  end)
  after_each(app.stop_all)

  for _, executor in ipairs { 'nil', "'pool'" } do
    local function serve()
      port = tonumber(app.serve(PROVIDER:format(executor)).url:match ':(%d+)$')
    end

    local function all(make, answer, connect)
      for _ = 1, ROUNDS do
        local it = connect()
        round(it, make, answer)
        it:close()
      end
    end

    local function plain()
      return peer.connect(port)
    end

    it('of JoyRPC, executor ' .. executor, function()
      serve()
      all(envelopes(), joyrpc_answer, plain)
    end)

    it('of ours, executor ' .. executor, function()
      serve()
      all(natives(), joyrpc_answer, function()
        return peer.session(port, 'demo.Probe', 'prod')
      end)
    end)

    it('of Dubbo, executor ' .. executor, function()
      serve()
      all(dubbo(), dubbo_answer, plain)
    end)
  end
end)
