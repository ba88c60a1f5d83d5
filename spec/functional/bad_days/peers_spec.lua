-- SPDX-License-Identifier: MIT
-- Peers that do what no client does, again and again, while a good client goes on calling
-- (spec/support/bad_peers.lua).
local app = require 'spec.support.app'
local bad = require 'spec.support.bad_peers'
local eventually = require 'spec.support.eventually'
local peer = require 'spec.support.peer'

local begin, finish, metrics, settled = bad.begin, bad.finish, bad.metrics, bad.settled
local repeated, sends, resident, bomb = bad.repeated, bad.sends, bad.resident, bad.bomb
local BATCH, HASTY = bad.BATCH, bad.HASTY

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
        return peer.connect(bad.port)
      end),
      BATCH
    )
  end)

  it('that says one byte', function()
    begin(HASTY)
    repeated(
      'CONN-FIRST-BYTE',
      lingers(function()
        local it = peer.connect(bad.port)
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
        local it = peer.connect(bad.port)
        it:send(peer.frame { type = peer.BEAT })
        return it
      end),
      BATCH
    )
  end)

  local function half(bytes)
    return function()
      local it = peer.session(bad.port, 'good.Service', 'prod')
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
    begin {
      PERILUNE_CONNECTIONS_PER_PEER = '60',
      PERILUNE_FIRST_BYTE_TIMEOUT = '100',
      PERILUNE_SILENT_CONNECTIONS = '0',
    }
    for _ = 1, 5 do
      local all = {}
      for i = 1, 200 do
        all[i] = peer.connect(bad.port)
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
    local it = peer.session(bad.port, 'good.Service', 'prod')
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
    local it = peer.session(bad.port, 'good.Service', 'prod')
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
      local it = peer.session(bad.port, 'good.Service', 'prod')
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
    bad.stays(early, late)
    assert.equal(9, hits 'output_stall')
    finish()
  end)
end)
