-- SPDX-License-Identifier: MIT
-- Every transport, each also through a transform, keeps the one contract of transport/channel.h.
jit.off(true, true)
local ffi = require 'ffi'
local t = require 'spec.support.transport'

local lib = t.lib

for _, transport in ipairs(require 'spec.support.transports') do
  describe('channel over ' .. transport.name, function()
    local loop, a, b, threshold

    before_each(function()
      threshold, lib.peri_log_threshold = lib.peri_log_threshold, lib.PERI_LOG_OFF
      loop = t.loop()
    end)

    -- Two started conns; `limits` are the first one's.
    local function open(mode_a, mode_b, limits)
      a, b = t.conn(mode_a), t.conn(mode_b)
      local left, right = transport.open(loop)
      lib.peri_test_conn_start(a, left, limits)
      lib.peri_test_conn_start(b, right, nil)
    end

    local function limits_of(values)
      return ffi.new('peri_channel_limits', {
        high_water = values.high_water or 2 ^ 20,
        hard_limit = values.hard_limit or 2 ^ 26,
        stall_ms = values.stall_ms or 10000,
        unit = values.unit or 2 ^ 23,
      })
    end

    local function send(conn, text)
      lib.peri_test_conn_send(conn, text, #text)
    end

    local function got(conn, text)
      t.eventually(loop, function()
        return tonumber(conn['in'].len) >= #text
      end, 'bytes')
      -- Not assert.equal: a difference of megabytes is no message.
      assert.is_true(t.received(conn) == text)
    end

    local function both_closed()
      t.eventually(loop, function()
        return a.closed_calls > 0 and b.closed_calls > 0
      end, 'both closed')
    end

    after_each(function()
      lib.peri_log_threshold = threshold
      for _, conn in ipairs { a, b } do
        if conn.channel ~= nil then
          lib.peri_channel_close(conn.channel, 0)
        end
      end
      t.turns(loop, 3)
      assert.equal(1, a.closed_calls)
      assert.equal(1, b.closed_calls)
      assert.equal(0, a.late_calls + b.late_calls)
      for _, conn in ipairs { a, b } do
        lib.peri_test_conn_free(ffi.gc(conn, nil))
      end
      t.fini()
    end)

    it('carries bytes both ways', function()
      open()
      send(a, 'ping')
      send(b, 'pong')
      got(b, 'ping')
      got(a, 'pong')
      assert.is_true(lib.peri_channel_bytes_in(a.channel) >= 4)
      assert.equal(0, tonumber(lib.peri_channel_pending(a.channel)))
    end)

    it('says who the peer is', function()
      open()
      assert.is_true(lib.peri_channel_is_local(a.channel))
      assert.is_true(#ffi.string(lib.peri_channel_peer(a.channel)) >= 4)
      assert.is_true(lib.peri_channel_loop(a.channel) == loop)
    end)

    it('keeps order between copied and referenced bytes', function()
      open()
      local text = {}
      for i = 1, 300 do
        local part = ('%d,'):format(i):rep(i % 7 * 50 + 1)
        text[#text + 1] = part
        if i % 3 == 0 then
          lib.peri_test_conn_send_block(a, part, #part)
        else
          send(a, part)
        end
      end
      got(b, table.concat(text))
    end)

    it('holds no block for little, or a small part of it, while the peer is behind', function()
      open()
      t.turns(loop, 5)
      lib.peri_channel_pause(b.channel)
      lib.peri_test_conn_fill(a, 9000000)
      t.turns(loop, 5)
      local sizes = { 1000, 8191, 8192, 256 * 1024, 256 * 1024 }
      local lens = { 1000, 8191, 8192, 32 * 1024 - 1, 32 * 1024 }
      local refs, text = {}, {}
      for i, size in ipairs(sizes) do
        local block = lib.peri_block_new(size)
        ffi.fill(block.data, size, 0x60 + i)
        lib.peri_channel_add_block(a.channel, block, { block.data, lens[i] })
        refs[i] = block.refs
        lib.peri_block_unref(block)
        text[i] = string.char(0x60 + i):rep(lens[i])
      end
      lib.peri_channel_touch(a.channel)
      lib.peri_channel_resume(b.channel)
      text = table.concat(text)
      t.eventually(loop, function()
        return tonumber(b['in'].len) == 9000000 + #text
      end, 'all read')
      assert.equal(text, t.received(b):sub(9000001))
      assert.same({ 1, 1, 2, 1, 2 }, refs)
    end)

    it('presents half a frame again when the rest is there', function()
      open(t.ALL, t.FRAMES)
      local frame = t.frame('hello')
      for i = 1, #frame do
        send(a, frame:sub(i, i))
        t.eventually(loop, function()
          return tonumber(lib.peri_channel_pending(a.channel)) == 0
        end, 'sent')
        t.turns(loop, 2)
        assert.equal(i == #frame and 1 or 0, b.frames)
      end
      got(b, frame)
    end)

    it('cuts frames out of every way of splitting two of them', function()
      open(t.ALL, t.FRAMES)
      local two = t.frame('first') .. t.frame(('second'):rep(10))
      local expect = 0
      for at = 1, #two - 1, 3 do
        send(a, two:sub(1, at))
        t.turns(loop, 2)
        send(a, two:sub(at + 1))
        expect = expect + 2
        t.eventually(loop, function()
          return b.frames == expect
        end, 'frames')
      end
      assert.equal(expect * #two / 2, tonumber(b['in'].len))
    end)

    it('reads a large unit into one block and asks once', function()
      open(t.ALL, t.FRAMES)
      local frame = t.frame(('0123456789'):rep(200000))
      send(a, frame)
      got(b, frame)
      assert.equal(1, b.frames)
      assert.is_true(b.data_calls <= 3)
      assert.equal(#frame, tonumber(b.longest))
    end)

    it('carries many frames of all sizes', function()
      open(t.ALL, t.FRAMES)
      b.echo = true
      math.randomseed(11)
      local all = {}
      for i = 1, 120 do
        local len = math.random(0, i % 10 == 0 and 90000 or 500)
        local frame = t.frame(string.char(65 + i % 26):rep(len))
        all[#all + 1] = frame
        send(a, frame)
        if i % 4 == 0 then
          t.turns(loop, 1)
        end
      end
      got(a, table.concat(all))
      assert.equal(120, b.frames)
    end)

    it('keeps the bytes of a block somebody holds', function()
      open(t.ALL, t.FRAMES)
      b.keep = true
      for i = 1, 20 do
        send(a, t.frame(('%02d'):format(i):rep(3000)))
        t.turns(loop, 3)
      end
      t.eventually(loop, function()
        return b.frames == 20
      end, 'frames')
      assert.is_true(b.kept_count >= 1)
    end)

    it('refuses a unit above the limit before it is there', function()
      open(t.FRAMES, t.ALL, limits_of { unit = 100000 })
      send(b, '\0\2\0\0x')
      both_closed()
      assert.equal('TOO_BIG', t.code_name(a.code))
    end)

    it('refuses endless bytes nobody wants', function()
      open(t.NOTHING, t.ALL, limits_of { unit = 100000 })
      lib.peri_test_conn_fill(b, 300000)
      both_closed()
      assert.equal('TOO_BIG', t.code_name(a.code))
    end)

    it('closes with the code data returns', function()
      open()
      a.fail = lib.PERI_EPROTOCOL
      send(b, 'garbage')
      both_closed()
      assert.equal('PROTOCOL', t.code_name(a.code))
    end)

    it('hands over to another handler in the middle of the bytes', function()
      open(t.ALL, t.FRAMES)
      local second = t.conn(t.ALL)
      b.next = second
      send(a, t.frame('one') .. 'rest that the second handler reads')
      t.eventually(loop, function()
        return tonumber(second['in'].len) > 0
      end, 'second handler')
      assert.equal('rest that the second handler reads', t.received(second))
      assert.equal(t.frame('one'), t.received(b))
      lib.peri_channel_close(second.channel, 0)
      t.eventually(loop, function()
        return second.closed_calls == 1
      end, 'closed')
      assert.equal(0, b.closed_calls)
      b.channel = nil
      b.closed_calls = 1
      lib.peri_test_conn_free(ffi.gc(second, nil))
    end)

    it('closes once, later, whoever closes and however often', function()
      open()
      t.turns(loop, 5)
      local channel = a.channel
      lib.peri_channel_close(channel, lib.PERI_EABORTED)
      lib.peri_channel_close(channel, lib.PERI_EINTERNAL)
      assert.equal(0, a.closed_calls)
      assert.is_true(lib.peri_channel_is_closing(channel))
      both_closed()
      assert.equal('ABORTED', t.code_name(a.code))
      assert.equal(0, b.code)
    end)

    it('closes from inside data', function()
      open()
      a.close = 1
      send(b, 'bye')
      both_closed()
      assert.equal(1, a.data_calls)
      assert.equal('ABORTED', t.code_name(a.code))
    end)

    it('finishes from inside data after what is queued', function()
      open(t.FRAMES)
      a.echo = true
      a.close = 2
      local frame = t.frame(('x'):rep(5000))
      send(b, frame .. frame)
      both_closed()
      assert.equal(0, a.code)
      assert.equal(0, b.code)
      assert.is_true(t.received(b) == frame .. frame)
    end)

    it('finishes after everything is written', function()
      open()
      lib.peri_test_conn_fill(a, 3000000)
      lib.peri_channel_finish(a.channel)
      lib.peri_channel_finish(a.channel)
      both_closed()
      assert.equal(3000000, tonumber(b['in'].len))
      assert.equal(0, a.code)
      assert.equal(0, b.code)
    end)

    it('sends what an end that shut its half still waits for', function()
      open()
      send(b, 'last words')
      lib.peri_test_conn_fill(a, 2000000)
      lib.peri_channel_finish(b.channel)
      both_closed()
      assert.equal('last words', t.received(a))
      assert.equal(0, a.code)
    end)

    it('calls an end in the middle of a unit by its name', function()
      open(t.FRAMES)
      send(b, '\0\0\0\9half')
      t.turns(loop, 3)
      lib.peri_channel_finish(b.channel)
      both_closed()
      assert.equal('CLOSED', t.code_name(a.code))
    end)

    it('tells the writer when the reader pauses and when it goes on', function()
      open(t.ALL, t.ALL, limits_of { high_water = 100000 })
      lib.peri_channel_pause(b.channel)
      lib.peri_test_conn_fill(a, 9000000)
      assert.is_true(lib.peri_channel_is_full(a.channel))
      t.turns(loop, 10)
      assert.is_true(lib.peri_channel_is_full(a.channel))
      assert.is_true(tonumber(lib.peri_channel_pending(a.channel)) > 100000)
      assert.equal(0, a.writable_calls)
      lib.peri_channel_resume(b.channel)
      t.eventually(loop, function()
        return tonumber(b['in'].len) == 9000000
      end, 'all read')
      t.turns(loop, 2)
      assert.equal(1, a.writable_calls)
      assert.is_false(lib.peri_channel_is_full(a.channel))
      assert.equal(0, tonumber(lib.peri_channel_pending(a.channel)))
    end)

    it('stops reading while its own output is above high water', function()
      open(t.ALL, t.ALL, limits_of { high_water = 100000 })
      t.turns(loop, 3)
      lib.peri_channel_pause(b.channel)
      lib.peri_test_conn_fill(a, 9000000)
      t.turns(loop, 10)
      send(b, 'unread')
      t.turns(loop, 10)
      assert.equal(0, tonumber(a['in'].len))
      lib.peri_channel_resume(b.channel)
      got(a, 'unread')
    end)

    it('hears that a reader is gone while its output is above high water', function()
      open(t.ALL, t.ALL, limits_of { high_water = 100000 })
      t.turns(loop, 3)
      lib.peri_channel_pause(b.channel)
      lib.peri_test_conn_fill(a, 9000000)
      t.turns(loop, 10)
      lib.peri_channel_close(b.channel, 0)
      both_closed()
    end)

    it('nests pauses', function()
      open()
      lib.peri_channel_pause(b.channel)
      lib.peri_channel_pause(b.channel)
      send(a, 'x')
      t.turns(loop, 5)
      lib.peri_channel_resume(b.channel)
      t.turns(loop, 5)
      assert.equal(0, tonumber(b['in'].len))
      lib.peri_channel_resume(b.channel)
      got(b, 'x')
    end)

    it('presents what a pause from inside data left, without new bytes', function()
      open(t.ALL, t.FRAMES)
      b.pause_after = 1
      send(a, t.frame('1') .. t.frame('2') .. t.frame('3'))
      for i = 1, 3 do
        t.eventually(loop, function()
          return b.frames == i
        end, 'frame ' .. i)
        t.turns(loop, 3)
        assert.equal(i, b.frames)
        lib.peri_channel_resume(b.channel)
      end
    end)

    it('presents what a pause left before the end of the stream', function()
      open(t.ALL, t.FRAMES)
      b.pause_after = 1
      send(a, t.frame('1') .. t.frame('2'))
      t.eventually(loop, function()
        return b.frames == 1
      end, 'first frame')
      lib.peri_channel_finish(a.channel)
      t.turns(loop, 3)
      lib.peri_channel_resume(b.channel)
      t.eventually(loop, function()
        return b.frames == 2
      end, 'second frame')
      if b.channel ~= nil and b.closed_calls == 0 then
        lib.peri_channel_resume(b.channel)
      end
      both_closed()
      assert.equal(0, b.code)
    end)

    it('closes above the hard limit', function()
      local hits = lib.peri_limit_hits(lib.PERI_LIMIT_OUTPUT_LIMIT)
      open(t.ALL, t.ALL, limits_of { high_water = 100000, hard_limit = 10000000 })
      lib.peri_channel_pause(b.channel)
      lib.peri_test_conn_fill(a, 20000000)
      assert.is_true(lib.peri_channel_is_closing(a.channel))
      t.eventually(loop, function()
        return a.closed_calls == 1
      end, 'closed')
      assert.equal('TOO_BIG', t.code_name(a.code))
      assert.equal(hits + 1, lib.peri_limit_hits(lib.PERI_LIMIT_OUTPUT_LIMIT))
    end)

    it('closes a peer that reads nothing, by the clock of the loop', function()
      lib.peri_test_clock(true)
      t.turns(loop, 1)
      open(t.ALL, t.ALL, limits_of { stall_ms = 8000 })
      t.turns(loop, 5)
      lib.peri_channel_pause(b.channel)
      lib.peri_test_conn_fill(a, 9000000)
      t.turns(loop, 10)
      for _ = 1, 7 do
        lib.peri_test_clock_advance(1000)
        t.turns(loop, 2)
        assert.equal(0, a.closed_calls)
      end
      for _ = 1, 4 do
        lib.peri_test_clock_advance(1000)
        t.turns(loop, 2)
      end
      assert.equal(1, a.closed_calls)
      assert.equal('TIMEOUT', t.code_name(a.code))
    end)

    it('bears a peer that reads slowly', function()
      lib.peri_test_clock(true)
      t.turns(loop, 1)
      open(t.ALL, t.ALL, limits_of { stall_ms = 8000, high_water = 1000 })
      t.turns(loop, 5)
      lib.peri_channel_pause(b.channel)
      lib.peri_test_conn_fill(a, 9000000)
      for _ = 1, 12 do
        lib.peri_test_clock_advance(4000)
        t.turns(loop, 2)
        lib.peri_channel_resume(b.channel)
        t.turns(loop, 10)
        lib.peri_channel_pause(b.channel)
      end
      assert.equal(0, a.closed_calls)
      lib.peri_channel_resume(b.channel)
      t.eventually(loop, function()
        return tonumber(b['in'].len) == 9000000
      end, 'all read')
    end)

    it('arms no timer for output that goes at once', function()
      open()
      t.turns(loop, 5)
      send(a, 'x')
      t.eventually(loop, function()
        return tonumber(b['in'].len) == 1
      end, 'read')
      t.turns(loop, 2)
      assert.equal(0, lib.peri_wheel_count(loop.wheel))
    end)

    it('ignores output after close', function()
      open()
      local channel = a.channel
      lib.peri_channel_close(channel, 0)
      lib.peri_test_conn_fill(a, 70000)
      lib.peri_test_conn_send_block(a, 'x', 1)
      both_closed()
      assert.equal(0, tonumber(b['in'].len))
    end)

    it('survives both ends closing in one turn with bytes under way', function()
      open()
      lib.peri_test_conn_fill(a, 9000000)
      lib.peri_test_conn_fill(b, 9000000)
      t.turns(loop, 1)
      lib.peri_channel_close(a.channel, 0)
      lib.peri_channel_close(b.channel, 0)
      both_closed()
    end)
  end)
end
