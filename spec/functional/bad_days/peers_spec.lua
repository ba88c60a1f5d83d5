-- SPDX-License-Identifier: MIT
-- Peers that do what no client does, a thousand times over, while a good client goes on calling: each
-- is cut off, counted and named in the log, the good client sees nothing of it, and memory stays.
local app = require 'spec.support.app'
local c = require 'spec.support.c'
local child = require 'spec.support.child'
local cjson = require 'cjson'
local eventually = require 'spec.support.eventually'
local peer = require 'spec.support.peer'

local lib = c.cdef('protocol/compression.h', 'base/err.h')

local TIMES, WARM = 1000, 300
local ROOM = 4096 -- KiB the server may grow by between WARM and TIMES
local SANITIZED = c.build:match 'san$' ~= nil -- their allocators keep what was freed

local PROVIDER = [[
perilune.export { interface = 'good.Service', alias = 'prod', service = {
  echo = function(ctx, value) return value end,
  wait = function(ctx, ms) perilune.sleep(ms) return ms end,
} }
perilune.listen 'tcp://127.0.0.1:0'
]]

local CLIENT = [[
local service = perilune.refer { interface = 'good.Service', alias = 'prod', url = %q, retries = 0,
  timeout = 10000 }
perilune.main(function()
  local succeeded, failed, live = 0, 0, 4
  local function caller()
    while true do
      local file = io.open(%q)
      if not file then break end
      file:close()
      local result, err = service:echo(succeeded)
      if err then
        failed = failed + 1
        print('failed:', err)
      else
        succeeded = succeeded + 1
      end
      perilune.sleep(1)
    end
    live = live - 1
  end
  perilune.check(perilune.ready(service, 5000))
  for _ = 1, live do perilune.spawn(caller) end
  while live > 0 do perilune.sleep(5) end
  print(('succeeded %%d failed %%d'):format(succeeded, failed))
end)
]]

local server, port, client, run

local function metrics()
  local result = child.run { child.binary(), 'status', server.url, '--json' }
  assert.equal(0, result.code, result.output)
  return cjson.decode(result.output).metrics
end

local function peer_errors(tag)
  return metrics()[('perilune_peer_errors{tag="%s"}'):format(tag)] or error('no counter ' .. tag)
end

local function resident()
  local file = assert(io.open(('/proc/%d/status'):format(server.pid)))
  local kib = tonumber(file:read('*a'):match 'RssAnon:%s*(%d+)')
  file:close()
  return kib
end

-- Two connections stay: the good client's and that of who asks.
local function settled()
  eventually(function()
    return metrics().perilune_connections <= 2
  end, { what = 'all other connections gone' })
end

local function begin(limits)
  local conf = limits and app.script('return { limits = { ' .. limits .. ' } }', 'conf.lua')
  local args = { '--workers', '2', conf and '--config', conf }
  server = app.serve(PROVIDER, { args = args })
  port = tonumber(server.url:match ':(%d+)$')
  run = app.script('', 'run')
  client = app.start(CLIENT:format(server.url, run))
  eventually(function()
    return metrics().perilune_calls_answered > 10
  end, { what = 'the good client' })
end

-- The good client is still served, and no call of it failed.
local function finish()
  local before = metrics().perilune_calls_answered
  eventually(function()
    return metrics().perilune_calls_answered > before + 20
  end, { what = 'calls of the good client' })
  os.remove(run)
  assert.same({ code = 0 }, client:wait())
  assert.matches('succeeded %d+ failed 0', client.output)
  server:kill 'TERM'
  assert.same({ code = 0 }, server:wait())
end

local function line_of(tag)
  return '"tag":"' .. tag:gsub('%-', '%%-') .. '"'
end

-- Runs `once` TIMES times; each must count under `tag`.
local function repeated(tag, once)
  local counted = peer_errors(tag)
  for _ = 1, WARM do
    once()
  end
  settled()
  local kib = resident()
  for _ = WARM + 1, TIMES do
    once()
  end
  settled()
  local grown = resident() - kib
  assert.is_true(SANITIZED or grown < ROOM, ('grew by %d KiB'):format(grown))
  assert.equal(TIMES, peer_errors(tag) - counted)
  server:wait_line(line_of(tag))
  local dropped = metrics().perilune_log_dropped
  finish()
  -- Each has a line, is in the sum of those held back, or found the log's buffer full.
  local lines, suppressed = 0, 0
  for line in server.output:gmatch '[^\n]+' do
    if line:find(line_of(tag)) then
      local held = line:match 'suppressed (%d+)'
      lines = lines + (held and 0 or 1)
      suppressed = suppressed + (tonumber(held) or 0)
    end
  end
  assert.is_true(lines > 0 and lines + suppressed <= TIMES)
  assert.is_true(lines + suppressed >= TIMES - dropped, lines .. ' ' .. suppressed)
end

-- Sends bytes on a connection of its own and waits for its end.
local function sends(bytes, session)
  return function()
    local it = session and peer.session(port, 'good.Service', 'prod', session) or peer.connect(port)
    it:send(bytes)
    assert.is_true(it:closed(), 'the connection stays open')
    it:close()
  end
end

local function bomb(name, size)
  local out = c.buf()
  assert.equal(0, lib.peri_compression_by_name(name).compress(c.bytes(('\0'):rep(size)), out))
  return c.string(out), lib.peri_compression_by_name(name).id
end

describe('a bad peer', function()
  after_each(app.stop_all)

  it('that sends garbage', function()
    begin()
    repeated('ADAPTER-UNKNOWN', sends 'GARBAGE of some length\r\n\r\n')
  end)

  it('that sends garbage after a good frame', function()
    begin()
    repeated('JOYRPC-FRAME', sends(peer.frame { type = peer.BEAT } .. 'garbage'))
  end)

  it('that announces a frame over the limit', function()
    begin()
    repeated('JOYRPC-TOO-BIG', sends(peer.frame { type = peer.REQUEST, length = 2 ^ 31 }))
  end)

  it('whose header is longer than its frame', function()
    begin()
    repeated('JOYRPC-FRAME', sends(peer.frame { type = peer.REQUEST, header = 65535 }))
  end)

  it('whose attributes do not fit', function()
    begin()
    repeated('JOYRPC-ATTRIBUTE', sends(peer.frame { type = peer.REQUEST, attributes = 100 }))
  end)

  it('that sends a message type of servers', function()
    begin()
    repeated('JOYRPC-TYPE', sends(peer.frame { type = peer.NEGOTIATED }))
  end)

  it('whose head is longer than its body', function()
    begin()
    local frame = peer.frame { type = peer.REQUEST, id = 2, body = '\255\255\0\4echo' }
    repeated('JOYRPC-HEAD', sends(frame, 'msgpack'))
  end)

  it('that negotiates in nonsense', function()
    begin()
    repeated('JOYRPC-NEGOTIATION', sends(peer.frame { type = peer.NEGOTIATE, body = '{"a":[[[' }))
  end)

  for _, name in ipairs { 'lz4', 'snappy', 'zlib', 'gzip', 'zstd' } do
    it('with a bomb in ' .. name, function()
      begin()
      local bytes, id = bomb(name, 16 * 2 ^ 20)
      repeated(
        'CALL-TOO-BIG',
        sends(peer.request('echo', bytes, { compression = id }), 'msgpack')
      )
    end)
  end

  it('with a nesting bomb in msgpack', function()
    begin()
    repeated('CALL-TOO-BIG', sends(peer.request('echo', ('\145'):rep(100000)), 'msgpack'))
  end)

  it('with a nesting bomb in json', function()
    begin()
    local bytes = peer.request('echo', ('['):rep(100000), { serialization = peer.json })
    repeated('CALL-TOO-BIG', sends(bytes, 'json'))
  end)

  it('that promises more elements than it sends', function()
    begin()
    local bytes = peer.request('echo', '\221\255\255\255\255' .. ('\192'):rep(1000))
    repeated('CALL-TOO-BIG', sends(bytes, 'msgpack'))
  end)
end)

describe('a peer that goes', function()
  after_each(app.stop_all)

  local function leaves(bytes, reset, session)
    local it = session and peer.session(port, 'good.Service', 'prod') or peer.connect(port)
    it:send(bytes)
    it:close(reset)
  end

  -- Nobody did wrong that is worth a line, but nothing may be left of it.
  local function gone(once)
    for i = 1, WARM do
      once(i)
    end
    settled()
    local kib = resident()
    for i = WARM + 1, TIMES do
      once(i)
    end
    settled()
    local grown = resident() - kib
    assert.is_true(SANITIZED or grown < ROOM, ('grew by %d KiB'):format(grown))
    local now = metrics()
    assert.equal(now.perilune_connections_accepted, now.perilune_connections_closed + 2)
    finish()
  end

  it('in the middle of a frame', function()
    begin()
    local frame = peer.request('echo', '\145\1')
    gone(function(i)
      leaves(frame:sub(1, i % #frame), i % 2 == 0, i % 3 == 0)
    end)
  end)

  it('in the middle of a large frame', function()
    begin()
    local part = peer.frame { type = peer.REQUEST, length = 2 ^ 23 } .. ('x'):rep(100000)
    gone(function(i)
      leaves(part, i % 2 == 0, true)
    end)
  end)

  it('with calls under way', function()
    begin()
    local frames = {}
    for id = 2, 9 do
      frames[#frames + 1] = peer.request('wait', '\145\205\39\16', { id = id })
    end
    local all = table.concat(frames)
    gone(function(i)
      leaves(all, i % 2 == 0, true)
    end)
  end)
end)
