-- SPDX-License-Identifier: MIT
-- A server, a good client that goes on calling it, and what the server says of itself, for peers that
-- do what no client does: each is cut off, counted and named in the log, the good client sees nothing
-- of it, and memory stays.
local assert = require 'luassert'
local app = require 'spec.support.app'
local c = require 'spec.support.c'
local child = require 'spec.support.child'
local cjson = require 'cjson'
local eventually = require 'spec.support.eventually'
local peer = require 'spec.support.peer'

local lib = c.cdef('protocol/compression.h', 'base/err.h')

local M = {}

-- A thousand times in `./dev test long`.
local LONG = os.getenv 'PERILUNE_LONG' == '1'
M.TIMES, M.WARM = LONG and 1000 or 400, LONG and 300 or 200
-- KiB the server may grow by between M.WARM and M.TIMES: a batch of 100 half frames touches 5 MiB at
-- once, and the allocator may keep that.
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

local server, client, run -- of the spec that runs

function M.metrics()
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
  return M.metrics()[('perilune_peer_errors{tag="%s"}'):format(tag)] or error('no counter ' .. tag)
end

function M.resident()
  local file = assert(io.open(('/proc/%d/status'):format(server.pid)))
  local kib = tonumber(file:read('*a'):match 'RssAnon:%s*(%d+)')
  file:close()
  return kib
end

-- Fails when the server has grown by more than ROOM over `kib` (`now`: what it has).
function M.stays(kib, now)
  local grown = (now or M.resident()) - kib
  assert.is_true(SANITIZED or grown < ROOM, ('grew by %d KiB'):format(grown))
end

-- Two connections stay: the good client's and that of who asks.
function M.settled()
  eventually(function()
    return M.metrics().perilune_connections <= 2
  end, { what = 'all other connections gone' })
end

-- `limits`: settings by their names in the environment.
function M.begin(limits)
  server = app.serve(PROVIDER, { args = { '--workers', '2' }, env = limits })
  run = app.script('', 'run')
  client = app.start(CLIENT:format(server.url, run))
  eventually(function()
    return M.metrics().perilune_calls_answered > 10
  end, { what = 'the good client' })
  M.port = tonumber(server.url:match ':(%d+)$')
  return server
end

-- The good client is still served, and no call of it failed.
function M.finish()
  local before = M.metrics().perilune_calls_answered
  eventually(function()
    return M.metrics().perilune_calls_answered > before + 20
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
function M.repeated(tag, once, batch)
  batch = batch or 1
  local counted = peer_errors(tag)
  for _ = 1, M.WARM / batch do
    once(batch)
  end
  M.settled()
  local kib = M.resident()
  for _ = 1, (M.TIMES - M.WARM) / batch do
    once(batch)
  end
  M.settled()
  M.stays(kib)
  assert.equal(M.TIMES, peer_errors(tag) - counted)
  server:wait_line(line_of(tag))
  local dropped = M.metrics().perilune_log_dropped
  M.finish()
  -- Each has a line, is in the sum of those held back, or found the log's buffer full.
  local lines, suppressed = 0, 0
  for line in server.output:gmatch '[^\n]+' do
    if line:find(line_of(tag)) then
      local held = line:match 'suppressed (%d+)'
      lines = lines + (held and 0 or 1)
      suppressed = suppressed + (tonumber(held) or 0)
    end
  end
  assert.is_true(lines > 0 and lines + suppressed <= M.TIMES)
  assert.is_true(lines + suppressed >= M.TIMES - dropped, lines .. ' ' .. suppressed)
end

-- Sends bytes on a connection of its own and waits for its end.
function M.sends(bytes, session)
  return function()
    local it = session and peer.session(M.port, 'good.Service', 'prod', session)
      or peer.connect(M.port)
    it:send(bytes)
    assert.is_true(it:closed(), 'the connection stays open')
    it:close()
  end
end

-- `size` zeros, and the number of their compression.
function M.bomb(name, size)
  local out = c.buf()
  local compression = lib.peri_compression_by_name(name)
  assert.equal(0, compression.compress(c.bytes(('\0'):rep(size)), out))
  return c.string(out), compression.id
end

-- Those that take their time do so together.
M.BATCH = 100
M.HASTY = {
  PERILUNE_FIRST_BYTE_TIMEOUT = '100',
  PERILUNE_SILENT_CONNECTIONS = '0',
  PERILUNE_NEGOTIATE_TIMEOUT = '100',
  PERILUNE_FRAME_TIMEOUT = '100',
}

return M
