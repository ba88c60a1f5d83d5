-- SPDX-License-Identifier: MIT
-- Each limit through the binary: what is above it is refused, the text names it, the status counts it,
-- and afterwards the process serves as before.
local app = require 'spec.support.app'
local child = require 'spec.support.child'
local cjson = require 'cjson'
local eventually = require 'spec.support.eventually'
local peer = require 'spec.support.peer'

local PROVIDER = [[
local core = require 'perilune.core'
local kept
perilune.export { interface = 'limits.S', service = {
  echo = function(ctx, value) return value end,
  wait = function(ctx, ms) print('waiting') perilune.sleep(ms) return ms end,
  big = function(ctx, n) return ('x'):rep(n) end,
  spin = function(ctx, ms)
    local from = perilune.hrtime()
    while perilune.hrtime() - from < ms do end
    return ms
  end,
  post = function(ctx, n)
    local sent = 0
    for _ = 1, n do sent = sent + (core.post(core.worker, 'nobody', '') and 1 or 0) end
    return sent
  end,
  keep = function(ctx, n, path)
    kept = {}
    for i = 1, n do kept[i] = { i } end
    perilune.detached(function()
      perilune.spawn(function()
        local file = io.open(path)
        while file do
          file:close()
          perilune.sleep(5)
          file = io.open(path)
        end
        kept = nil
      end)
    end)
    return n
  end,
} }
perilune.listen 'tcp://127.0.0.1:0'
]]

local server, port

local function serve(env)
  local prefixed = {}
  for name, value in pairs(env) do
    prefixed['PERILUNE_' .. name] = tostring(value)
  end
  server = app.serve(PROVIDER, { env = prefixed, args = { '--workers', '1' } })
  port = tonumber(server.url:match ':(%d+)$')
end

local function call(method, args, ...)
  return app.call(server, 'limits.S.' .. method, args, ...)
end

local function status()
  local result = child.read { child.binary(), 'status', server.url, '--json' }
  return result.code == 0 and cjson.decode(result.output).metrics
end

-- How often the limit was reached. Right after it was, the process may still refuse to say so.
local function hits(name)
  local metrics = eventually(status, { what = 'a status' })
  return metrics[('perilune_limit_hits{limit="%s"}'):format(name)] or error('no counter ' .. name)
end

local function counted(name)
  eventually(function()
    return hits(name) > 0
  end, { what = name .. ' to be counted' })
end

-- As good as new.
local function serves()
  eventually(function()
    return call('echo', '[7]').output == '7\n'
  end, { what = 'a good call' })
end

local function refused(result, code, text)
  assert.equal(1, result.code, result.output)
  assert.matches(code, result.output)
  assert.matches(text, result.output)
end

local function many(list, n)
  return '[' .. (list and '[' or '') .. ('1,'):rep(n - 1) .. '1' .. (list and ']]' or ']')
end

local function session(serialization)
  return peer.session(port, 'limits.S', '', serialization)
end

local function json_request(method, args, id)
  return peer.request(method, args, { serialization = peer.json, id = id, timeout = 20000 })
end

-- The bodies of the next `n` replies in one text.
local function replies(it, n)
  local bodies = {}
  for i = 1, n do
    local _, _, body = it:reply()
    bodies[i] = assert(body, ('%d of %d replies came'):format(i - 1, n))
  end
  return table.concat(bodies, '\n')
end

local function count(text, pattern)
  return select(2, text:gsub(pattern, ''))
end

describe('the limit on', function()
  after_each(app.stop_all)

  it('frame_size cuts the peer off', function()
    serve { FRAME_SIZE = '64K' }
    local result = call('echo', cjson.encode { ('x'):rep(70000) })
    assert.equal(1, result.code, result.output)
    server:wait_line 'JOYRPC%-TOO%-BIG.-is over frame_size = 65536'
    counted 'frame_size'
    serves()
  end)

  it('head_size cuts the peer off', function()
    serve { HEAD_SIZE = 300 }
    local result = call('echo', '[1]', '--attach', 'k=' .. ('x'):rep(400))
    assert.equal(1, result.code, result.output)
    server:wait_line 'JOYRPC%-HEAD.-head_size = 300'
    counted 'head_size'
    serves()
  end)

  it('value_depth refuses the call', function()
    serve { VALUE_DEPTH = 8 }
    refused(call('echo', ('['):rep(20) .. (']'):rep(20)), 'TOO_BIG', 'value_depth')
    counted 'value_depth'
    serves()
  end)

  it('value_elements refuses the call', function()
    serve { VALUE_ELEMENTS = 1000 }
    refused(call('echo', many(true, 2000)), 'TOO_BIG', 'value_elements')
    counted 'value_elements'
    serves()
  end)

  it('value_string refuses the call', function()
    serve { VALUE_STRING = '1K' }
    refused(call('echo', cjson.encode { ('x'):rep(2000) }), 'TOO_BIG', 'value_string')
    counted 'value_string'
    serves()
  end)

  for name, text in pairs {
    connections = 'connections',
    connections_per_listener = 'connections_per_listener',
    connections_per_peer = 'from 127%.0%.0%.1 was closed: connections_per_peer',
  } do
    it(name .. ' closes the next one before it costs anything', function()
      serve { [name:upper()] = 1 }
      local first = session()
      local second = peer.connect(port)
      assert.is_true(second:closed())
      second:close()
      server:wait_line('ACCEPT%-LIMIT.-' .. text .. ' is reached')
      first:close()
      counted(name)
      serves()
    end)
  end

  it('sessions_per_connection refuses the next one', function()
    serve { SESSIONS_PER_CONNECTION = 1 }
    local it = session()
    it:send((peer.negotiate('limits.S', ''):gsub('^(.............)....', '%1\0\0\0\2')))
    local type, _, body = it:reply()
    assert.equal(peer.NEGOTIATED, type)
    assert.matches('sessions_per_connection', body)
    it:close()
    counted 'sessions_per_connection'
    serves()
  end)

  it('calls refuses the next one', function()
    serve { CALLS = 1 }
    local it = session 'json'
    it:send(json_request('wait', '[20000]', 2))
    server:wait_line 'waiting'
    refused(call('echo', '[1]'), 'OVERLOADED', 'calls = 1')
    it:close()
    counted 'calls'
    serves()
  end)

  it('calls_per_connection refuses the next one there, and none elsewhere', function()
    serve { CALLS_PER_CONNECTION = 2 }
    local it = session 'json'
    for id = 2, 5 do
      it:send(json_request('wait', '[20000]', id))
    end
    assert.equal(2, count(replies(it, 2), 'calls_per_connection = 2'))
    assert.equal(2, hits 'calls_per_connection')
    serves()
    it:close()
  end)

  it('queue_age refuses what waited too long in a standing queue', function()
    serve { QUEUE_AGE = 1, QUEUE_BURST = 0 }
    local it, frames = session 'json', {}
    for id = 2, 41 do
      frames[#frames + 1] = json_request('spin', '[5]', id)
    end
    it:send(table.concat(frames))
    local late = count(replies(it, 40), 'queue_age = 1 ms')
    assert.is_true(late > 0 and late < 40, late .. ' were refused')
    assert.is_true(hits 'queue_age' >= late)
    it:close()
    serves()
  end)

  it('call_timeout ends a call that has no deadline of its own', function()
    serve { CALL_TIMEOUT = 100 }
    local it = session 'json'
    it:send(peer.request('wait', '[20000]', { serialization = peer.json, timeout = 0 }))
    local type, id = it:reply()
    assert.equal(peer.REPLY, type)
    assert.equal(2, id)
    it:close()
    serves()
  end)

  it('pinned_bytes refuses calls whose arguments are too many together', function()
    serve { PINNED_BYTES = '4K' }
    local it = session 'json'
    it:send(json_request('wait', cjson.encode { 20000, ('x'):rep(3000) }, 2))
    server:wait_line 'waiting'
    local result = call('echo', cjson.encode { ('x'):rep(3000) })
    refused(result, 'OVERLOADED', 'pinned_bytes = 4096')
    counted 'pinned_bytes'
    serves()
    it:close()
    eventually(function()
      return call('echo', cjson.encode { ('x'):rep(3000) }).code == 0
    end, { what = 'the bytes given back' })
  end)

  it('output_high_water stops reading, output_stall closes', function()
    serve { OUTPUT_HIGH_WATER = '64K', OUTPUT_STALL = 400 }
    local it = session 'json'
    for id = 2, 40 do
      it:send(json_request('big', '[1000000]', id))
    end
    server:wait_line 'CHANNEL%-STALL.-took no output within output_stall = 400 ms'
    counted 'output_high_water'
    counted 'output_stall'
    it:close()
    serves()
  end)

  it('output_limit closes', function()
    serve { OUTPUT_LIMIT = '64K' }
    local result = call('big', '[1000000]')
    assert.equal(1, result.code, result.output)
    server:wait_line 'CHANNEL%-OUTPUT.-output_limit = 65536'
    counted 'output_limit'
    serves()
  end)

  it('letters refuses to post more', function()
    serve { LETTERS = 8 }
    assert.equal('8\n', call('post', '[20]').output)
    server:wait_line 'LETTER%-DROPPED.-letters = 8 waiting'
    assert.is_true(hits 'letters' >= 12)
    assert.equal('8\n', call('post', '[20]').output)
  end)

  it('first_byte_timeout closes who says nothing', function()
    serve { FIRST_BYTE_TIMEOUT = 300 }
    local it = peer.connect(port)
    it:send '\xad'
    assert.is_true(it:closed())
    it:close()
    server:wait_line 'CONN%-FIRST%-BYTE.-first_byte_timeout = 300 ms'
    counted 'first_byte_timeout'
    serves()
  end)

  it('silent_connections closes those that are too many', function()
    serve { FIRST_BYTE_TIMEOUT = 300, SILENT_CONNECTIONS = 1 }
    local one, two = peer.connect(port), peer.connect(port)
    server:wait_line 'CONN%-FIRST%-BYTE.-first_byte_timeout = 300 ms'
    counted 'silent_connections'
    one:close()
    two:close()
    serves()
  end)

  it('negotiate_timeout closes who only beats', function()
    serve { NEGOTIATE_TIMEOUT = 300 }
    local it = peer.connect(port)
    it:send(peer.frame { type = peer.BEAT })
    assert.is_true(it:closed())
    it:close()
    server:wait_line 'CONN%-SETTLE.-negotiate_timeout = 300 ms'
    counted 'negotiate_timeout'
    serves()
  end)

  it('frame_timeout closes who never ends a frame', function()
    serve { FRAME_TIMEOUT = 300 }
    local it = session()
    it:send(peer.request('echo', '\145\1'):sub(1, 30))
    assert.is_true(it:closed())
    it:close()
    server:wait_line 'CONN%-FRAME.-frame_timeout = 300 ms'
    counted 'frame_timeout'
    serves()
  end)

  it('partial_bytes closes who sends half a message too many', function()
    serve { PARTIAL_BYTES = '1M' }
    local half = peer.frame { type = peer.REQUEST, length = 400000 } .. ('x'):rep(100000)
    local peers = {}
    for i = 1, 5 do
      peers[i] = session()
      peers[i]:send(half)
    end
    -- Which of them is the one too many is the machine's to say.
    server:wait_line 'PARTIAL%-BYTES.-partial_bytes = 1048576'
    counted 'partial_bytes'
    for i = 1, 5 do
      peers[i]:close()
    end
    serves()
  end)

  it('idle_timeout closes who sends nothing more', function()
    serve { IDLE_TIMEOUT = 300 }
    local it = session()
    assert.is_true(it:closed())
    it:close()
    server:wait_line 'CONN%-IDLE.-idle_timeout = 300 ms'
    counted 'idle_timeout'
    serves()
  end)

  it('coroutines refuses calls that would need one more', function()
    serve { COROUTINES = 16 }
    local it = session 'json'
    for id = 2, 41 do
      it:send(json_request('wait', '[20000]', id))
    end
    assert.matches('coroutines = 16', replies(it, 20))
    it:close()
    counted 'coroutines'
    serves()
  end)

  it('lua_memory refuses calls until the memory is free again', function()
    serve { LUA_MEMORY = '24M' }
    local path = app.script('', 'kept')
    assert.equal('600000\n', call('keep', cjson.encode { 600000, path }).output)
    refused(call('echo', '[1]'), 'OVERLOADED', 'lua_memory')
    server:wait_line 'LUA%-MEMORY.-lua_memory = 24576 KiB'
    os.remove(path)
    counted 'lua_memory'
    serves()
  end)
end)

describe('the limit of a client on', function()
  after_each(app.stop_all)

  local CLIENT = [[
  local core = require 'perilune.core'
  local URL = %q
  local service = perilune.refer { interface = 'limits.S', url = URL, retries = 0, timeout = 20000 }
  perilune.main(function()
    perilune.check(perilune.ready(service, 20000))
    %s
  end)]]

  local function run(env, body)
    serve {}
    local client = app.start(CLIENT:format(server.url, body), { env = env })
    assert.same({ code = 0 }, client:wait(), client.output)
    return client.output
  end

  it('futures refuses to wait for one more answer', function()
    local output = run(
      { PERILUNE_FUTURES = '1' },
      [[
      local first = perilune.async(service):wait(300)
      perilune.sleep(1)
      local _, err = service:echo(1)
      print(err.code, err.message, core.metrics()['perilune_limit_hits{limit="futures"}'])
      print(first:await())
      print(service:echo(2))]]
    )
    assert.matches('OVERLOADED\t[^\n]*limit futures[^\n]*\t1\n300[^\n]*\n2', output)
  end)

  it('connections_out refuses to connect once more', function()
    local output = run(
      { PERILUNE_CONNECTIONS_OUT = '1' },
      [[
      local _, code, message = core.connect(URL, {})
      print(code, message, core.metrics()['perilune_limit_hits{limit="connections_out"}'])
      print(service:echo(2))]]
    )
    assert.matches('OVERLOADED\t[^\n]*limit connections_out[^\n]*\t1\n2', output)
  end)

  it('connections_out counts plain connections of scripts, too', function()
    local output = run(
      { PERILUNE_CONNECTIONS_OUT = '1' },
      [[
      print(service:echo(1))
      local _, err = perilune.connect(URL)
      print(err.message, core.metrics()['perilune_limit_hits{limit="connections_out"}'])]]
    )
    assert.matches('1[^\n]*\n[^\n]*limit connections_out[^\n]*\t1\n', output)
  end)
end)
