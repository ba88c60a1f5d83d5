-- SPDX-License-Identifier: MIT
-- Peers whose bytes are damaged and peers that go, while a good client goes on calling.
local app = require 'spec.support.app'
local bad = require 'spec.support.bad_peers'
local peer = require 'spec.support.peer'

local begin, finish, metrics, settled = bad.begin, bad.finish, bad.metrics, bad.settled
local resident, bomb = bad.resident, bad.bomb
local TIMES, WARM, BATCH, HASTY = bad.TIMES, bad.WARM, bad.BATCH, bad.HASTY

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
        local it = peer.connect(bad.port)
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
    local it = session and peer.session(bad.port, 'good.Service', 'prod') or peer.connect(bad.port)
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
    bad.stays(kib)
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
