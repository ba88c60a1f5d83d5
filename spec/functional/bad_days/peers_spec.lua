-- SPDX-License-Identifier: MIT
-- Peers that do what no client does, again and again, while a good client goes on calling: each is
-- cut off, counted and named in the log, the good client sees nothing of it, and memory stays.
local app = require 'spec.support.app'
local c = require 'spec.support.c'
local child = require 'spec.support.child'
local cjson = require 'cjson'
local eventually = require 'spec.support.eventually'
local peer = require 'spec.support.peer'

local lib = c.cdef('protocol/compression.h', 'base/err.h')

-- A thousand times in `./dev test long`.
local LONG = os.getenv 'PERILUNE_LONG' == '1'
local TIMES, WARM = LONG and 1000 or 400, LONG and 300 or 200
-- KiB the server may grow by between WARM and TIMES: a batch of 100 half frames touches 5 MiB at once,
-- and the allocator may keep that.
local ROOM = 8192
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
  local result = child.read { child.binary(), 'status', server.url, '--json' }
  if result.code ~= 0 then
    if not server:running() then
      server:wait()
    end
    error(('no status: %s\n%s'):format(result.output, server.output:sub(-4000)), 2)
  end
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

-- `limits`: settings by their names in the environment.
local function begin(limits)
  server = app.serve(PROVIDER, { args = { '--workers', '2' }, env = limits })
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

-- Runs `once` until it was done TIMES times, `batch` (1) of them with each call; each must count
-- under `tag`.
local function repeated(tag, once, batch)
  batch = batch or 1
  local counted = peer_errors(tag)
  for _ = 1, WARM / batch do
    once(batch)
  end
  settled()
  local kib = resident()
  for _ = 1, (TIMES - WARM) / batch do
    once(batch)
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
      repeated('CALL-TOO-BIG', sends(peer.request('echo', bytes, { compression = id }), 'msgpack'))
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

-- Those that take their time do so together.
local BATCH = 100
local HASTY = {
  PERILUNE_FIRST_BYTE_TIMEOUT = '100',
  PERILUNE_NEGOTIATE_TIMEOUT = '100',
  PERILUNE_FRAME_TIMEOUT = '100',
}

-- `begins(it)` makes a connection that then says no more, or a byte each time it is asked.
local function lingers(connect, drip)
  return function(count)
    local all = {}
    for i = 1, count do
      all[i] = connect()
    end
    for _, it in ipairs(all) do
      if drip then
        while it:closed(5) ~= true and it:send(drip) do
        end
      else
        assert.is_true(it:closed(), 'the connection stays open')
      end
      it:close()
    end
  end
end

describe('a slow peer', function()
  after_each(app.stop_all)

  it('that says nothing', function()
    begin(HASTY)
    repeated(
      'CONN-FIRST-BYTE',
      lingers(function()
        return peer.connect(port)
      end),
      BATCH
    )
  end)

  it('that says one byte', function()
    begin(HASTY)
    repeated(
      'CONN-FIRST-BYTE',
      lingers(function()
        local it = peer.connect(port)
        it:send '\173'
        return it
      end),
      BATCH
    )
  end)

  it('that only beats', function()
    begin(HASTY)
    repeated(
      'CONN-SETTLE',
      lingers(function()
        local it = peer.connect(port)
        it:send(peer.frame { type = peer.BEAT })
        return it
      end),
      BATCH
    )
  end)

  local function half(bytes)
    return function()
      local it = peer.session(port, 'good.Service', 'prod')
      it:send(bytes)
      return it
    end
  end

  it('that sends half a frame', function()
    begin(HASTY)
    repeated('CONN-FRAME', lingers(half(peer.request('echo', '\145\1'):sub(1, 30))), BATCH)
  end)

  it('that sends half a large frame', function()
    begin(HASTY)
    local part = peer.frame { type = peer.REQUEST, length = 2 ^ 23 } .. ('x'):rep(50000)
    repeated('CONN-FRAME', lingers(half(part)), BATCH)
  end)

  it('that sends a byte now and then', function()
    begin(HASTY)
    local part = peer.frame { type = peer.REQUEST, length = 2 ^ 23 }
    repeated('CONN-FRAME', lingers(half(part), 'x'), BATCH)
  end)
end)

describe('a greedy peer', function()
  after_each(app.stop_all)

  local function hits(limit)
    return metrics()[('perilune_limit_hits{limit="%s"}'):format(limit)] or 0
  end

  it('that opens more connections than it may', function()
    begin { PERILUNE_CONNECTIONS_PER_PEER = '60', PERILUNE_FIRST_BYTE_TIMEOUT = '100' }
    for _ = 1, 5 do
      local all = {}
      for i = 1, 200 do
        all[i] = peer.connect(port)
      end
      for _, it in ipairs(all) do
        assert.is_true(it:closed())
        it:close()
      end
    end
    settled()
    assert.is_true(hits 'connections_per_peer' >= 5 * 100, hits 'connections_per_peer')
    finish()
  end)

  it('that sends more calls at once than it may', function()
    begin { PERILUNE_CALLS_PER_CONNECTION = '50' }
    local it = peer.session(port, 'good.Service', 'prod')
    local frames = {}
    for id = 1, 1000 do
      frames[id] = peer.request('wait', '\145\205\39\16', { id = id, timeout = 20000 })
    end
    it:send(table.concat(frames))
    for _ = 1, 950 do
      local type, _, body = it:reply()
      assert.equal(peer.REPLY, type)
      assert.equal(17, body:byte(4)) -- OVERLOADED
    end
    assert.equal(50, metrics().perilune_calls_open)
    assert.equal(950, hits 'calls_per_connection')
    it:close()
    settled()
    finish()
  end)

  it('that cancels what is not there while much is', function()
    begin()
    local it = peer.session(port, 'good.Service', 'prod')
    local waits, cancels = {}, {}
    for id = 1, 50000 do
      waits[id] = peer.request('wait', '\145\206\0\1\0\0', { id = id, timeout = 60000 })
      cancels[id] = peer.frame { type = peer.CANCEL, id = id + 1000000 }
    end
    it:send(table.concat(waits))
    it:send(table.concat(cancels))
    -- What is there is found still.
    for id = 50000, 1, -1 do
      cancels[50001 - id] = peer.frame { type = peer.CANCEL, id = id }
    end
    it:send(table.concat(cancels))
    eventually(function()
      return metrics().perilune_calls_open <= 1
    end, { what = 'all cancelled' })
    it:close()
    settled()
    finish()
  end)

  it('that never reads its answers', function()
    begin { PERILUNE_OUTPUT_STALL = '200' }
    local large = peer.request('echo', '\145\198' .. peer.u32(2 ^ 20) .. ('x'):rep(2 ^ 20))
    -- A worker may keep as many large strings as its collector lets lie: the least of some rounds counts.
    local early, late = math.huge, math.huge
    for round = 1, 9 do
      local it = peer.session(port, 'good.Service', 'prod')
      -- The server stops reading above high water, so that sending ends with the connection.
      local sent = 0
      while sent < 64 and it:send(large) do
        sent = sent + 1
      end
      assert.is_true(sent < 64, 'the server takes it all')
      it:close()
      settled()
      if round > 5 then
        late = math.min(late, resident())
      elseif round > 1 then
        early = math.min(early, resident())
      end
    end
    assert.is_true(SANITIZED or late - early < ROOM, ('grew by %d KiB'):format(late - early))
    assert.equal(9, hits 'output_stall')
    finish()
  end)
end)

-- A generator of our own, so that a seed means the same run everywhere.
local function generator(seed)
  return function(n)
    seed = (seed * 1103515245 + 12345) % 2147483648
    return math.floor(seed / 65536) % n + 1
  end
end

describe('a broken peer', function()
  after_each(app.stop_all)

  local function talk()
    local attachments = '\129\165owner\161x'
    local body = peer.u16(2 + 4 + 2 + #attachments) .. '\1\4echo' .. peer.u16(#attachments)
    return peer.frame { type = peer.BEAT }
      .. peer.negotiate('good.Service', 'prod')
      .. peer.request('echo', '\147\1\163two\129\161a\192')
      .. peer.frame {
        type = peer.REQUEST,
        id = 3,
        serialization = peer.msgpack,
        body = body .. attachments .. '\145\1',
      }
      .. peer.request('wait', '\145\1', { id = 4 })
      .. peer.frame { type = peer.CANCEL, id = 4 }
      .. peer.request('echo', '[1,{"a":[true,null]}]', { id = 5, serialization = peer.json })
      .. peer.frame { type = peer.DATA, id = 6, body = 'data' }
      .. peer.request('echo', bomb('lz4', 1000), { id = 7, compression = 3 })
  end

  -- Changes, doubles, drops or moves a few bytes.
  local function damage(bytes, random)
    for _ = 1, random(4) do
      local at, kind = random(#bytes), random(4)
      local before, after = bytes:sub(1, at - 1), bytes:sub(at + 1)
      if kind == 1 then
        bytes = before .. string.char(random(256) - 1) .. after
      elseif kind == 2 then
        bytes = before .. bytes:sub(at, at + random(40)) .. bytes:sub(at)
      elseif kind == 3 then
        bytes = before .. bytes:sub(at + random(20))
      else
        bytes = before .. ({ '\0', '\127', '\128', '\255' })[random(4)] .. after
      end
    end
    return bytes
  end

  for _, seed in ipairs { 1, 42, 20260101 } do
    it('whose bytes are damaged, seed ' .. seed, function()
      begin(HASTY)
      local random, whole = generator(seed), talk()
      local all = {}
      for i = 1, TIMES do
        local it = peer.connect(port)
        local bytes = damage(whole, random)
        local cut = random(#bytes)
        it:send(bytes:sub(1, cut))
        it:send(bytes:sub(cut + 1))
        all[#all + 1] = it
        if i % BATCH == 0 then
          -- Some said nothing wrong.
          for _, each in ipairs(all) do
            each:read(0)
            each:close(random(2) == 1)
          end
          all = {}
        end
      end
      settled()
      local now = metrics()
      assert.is_true(now.perilune_calls_open <= 5)
      assert.equal(0, now.perilune_script_errors)
      finish()
    end)
  end
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
