-- SPDX-License-Identifier: MIT
local ffi = require 'ffi'
local c = require 'spec.support.c'
local frames_of = require 'spec.support.frames'
local p = require 'spec.support.protocol'

local lib = c.cdef('protocol/joyrpc/joyrpc.h')
local UP, DOWN = p.UP, p.DOWN
local frame, u32 = frames_of.frame, frames_of.u32

describe('protocol/joyrpc bodies', function()
  local rig
  local session, there

  local function start(options)
    rig = p.rig(options)
    return rig
  end

  after_each(function()
    assert.equal(0, rig:free())
    rig = nil
  end)

  local function open(params)
    params = params or {}
    params.iface, params.alias = 'i', 'a'
    session = start():open(params)
    there = rig:server_session(1)
  end

  -- The body of a call and of its answer, in the format of the fields.
  local function asked(id, fields)
    fields.type, fields.flags, fields.stream = 'OPEN', 1, id
    fields.session, fields.method = session, 'm'
    return rig:write(UP, fields)
  end

  local function answered(id, fields)
    fields.type, fields.flags, fields.stream, fields.session = 'REPLY', 1, id, there
    return rig:write(DOWN, fields)
  end

  it('are compressed from 2 KiB on when that makes them smaller', function()
    open { compression = 'lz4' }
    local noise = {}
    local seed = 12345
    for i = 1, 4096 do
      seed = (seed * 1103515245 + 12345) % 2147483648
      noise[i] = string.char(math.floor(seed / 65536) % 256)
    end
    for _, case in ipairs {
      { ('x'):rep(2047), 0 },
      { ('x'):rep(2048), 3 },
      { table.concat(noise), 0 },
    } do
      local id = rig:expect(UP)
      assert.equal(0, asked(id, { serializer = 110, compression = 3, body = case[1] }))
      rig:pump()
      assert.equal(case[2], tonumber(rig:news(DOWN):match ' comp=(%d)' or 0))
      assert.equal(0, answered(id, { serializer = 110, compression = 3, body = case[1] }))
      rig:pump()
      assert.equal(case[2], tonumber(rig:news(UP):match ' comp=(%d)' or 0))
    end
  end)

  it('of JoyRPC peers are compressed with their envelope, and unpacked', function()
    open { compression = 'zlib', serializer = 'json' }
    session.native, there.native = false, false
    local id = rig:expect(UP)
    local body = '["' .. ('moon'):rep(1000) .. '"]'
    assert.equal(0, asked(id, { serializer = 13, compression = 4, body = body }))
    rig:pump()
    assert.truthy(rig:news(DOWN):find('method=m ser=13 body=(4004 bytes)', 1, true))
    assert.is_true(#rig:wire(UP) < 2000)
    assert.equal(0, answered(id, { serializer = 13, compression = 4, body = body }))
    rig:pump()
    assert.truthy(rig:news(UP):find('OK ser=13 body=(4004 bytes)', 1, true))
    assert.is_true(#rig:wire(DOWN) < 2000)
  end)

  it('a bomb fails its call, not the connection', function()
    open { serializer = 'json' }
    rig:conn(UP).native = false
    rig.raw.limits.frame = 65536
    local bomb, zeros = c.buf(), ('\0'):rep(1e6)
    assert.equal(0, lib.peri_compression_by_id(4).compress(c.bytes(zeros), bomb))
    local id = rig:expect(UP)
    local reply = frame(2, 0, c.string(bomb)):gsub('\x0d%z', '\x0d\4', 1)
    rig:send(DOWN, (reply:gsub('^(.........)....', '%1' .. u32(id)))):pump()
    assert.truthy(rig:news(UP):find(('DONE %d TOO_BIG'):format(id), 1, true))
    assert.is_true(rig:conn(UP) ~= nil)
  end)

  it('of requests that only name a method come without an event', function()
    open()
    local function requests()
      return rig.raw.side[DOWN].requests
    end
    -- head_len, flags, method_len, method, what else there is
    local cases = {
      { '\0\3\0\1m', true },
      { '\0\3\0\1mbody', true },
      { '\1\1\0\255' .. ('m'):rep(255) .. 'body', true },
      { '\0\3\2\1mbody', false }, -- one-way
      { '\0\11\4\1m\0\4face\1bbody', false }, -- for another service
      { '\0\6\1\1m\0\1\128body', false }, -- attachments
      { '\0\4\0\1m?body', false }, -- a longer head than it says it needs
    }
    for i, case in ipairs(cases) do
      local before = requests()
      rig:send(UP, (frame(1, 1, case[1]):gsub('^(.........)....', '%1' .. u32(i)))):pump()
      local news = rig:news(DOWN)
      assert.truthy(news:find('OPEN ' .. i .. ' ', 1, true), news)
      assert.equal(case[1]:match 'body' and 'body' or nil, news:match ' body=(.-)\n')
      assert.equal(case[2] and 1 or 0, requests() - before, 'case ' .. i)
    end
    rig.raw.limits.head = 2
    rig:send(UP, frame(1, 1, cases[1][1])):pump()
    assert.is_nil(rig:news(DOWN):match 'OPEN')
  end)

  it('of generic calls are told from others by an attachment', function()
    open { serializer = 'json' }
    -- MessagePack: generic and more.
    local cases = {
      { '\x81\xA7generic\xC3', true },
      { '\x82\xA1a\x91\xA1b\xA7generic\xA4true', true },
      { '\x81\xA7generic\xC2', false },
      { '\x81\xA7generic\xC0', false },
      { '\x81\xA1a\xA7generic', false },
      { '\x82\xA1a\xA7generic\xA1b\xC3', false },
      { '\x81\xA1a\x81\xA7generic\xC3', false },
      { '\x82\xA1a\x81\xA7generic\xC2\xA7generic\xC3', true },
      { '\x82\xA7generic\xC3\xB2.genericSerializer\xA4json', false },
    }
    for _, native in ipairs { true, false } do
      session.native, there.native = native, native
      for i, case in ipairs(cases) do
        local id = rig:expect(UP)
        local fields =
          { serializer = 13, body = '[1]', attachments = case[1], attachments_ser = 111 }
        assert.equal(0, asked(id, fields))
        rig:pump()
        local flags = tonumber(rig:news(DOWN):match ' flags=(%d+)')
        assert.equal(case[2] and 17 or 1, flags, ('case %d, native %s'):format(i, tostring(native)))
      end
    end
  end)

  it('large ones travel by reference and arrive whole', function()
    open()
    local block = lib.peri_block_new(300000)
    block.used = 300000
    ffi.fill(block.data, 300000, 0x41)
    local id = rig:expect(UP)
    local event = rig:event {
      type = 'OPEN',
      flags = 1,
      stream = id,
      session = session,
      method = 'm',
      serializer = 110,
    }
    event.block = block
    event.body.ptr, event.body.len = block.data, 300000
    assert.equal(0, rig:conn(UP).protocol.emit(rig:conn(UP), event))
    assert.equal(2, block.refs)
    rig:pump()
    assert.equal(1, block.refs)
    lib.peri_block_unref(block)
    assert.truthy(rig:news(DOWN):find('body=(300000 bytes)', 1, true))
  end)

  it('that fail to be written leave nothing behind', function()
    open()
    rig.raw.limits.frame = 4096
    local before = tonumber(lib.peri_conn_out(rig:conn(UP)).len)
    local fields =
      { type = 'OPEN', flags = 1, stream = 50, session = session, method = 'm', serializer = 110 }
    fields.body = ('x'):rep(5000)
    assert.equal(lib.PERI_ETOO_BIG, rig:write(UP, fields))
    fields.body = ('x'):rep(5000)
    assert.equal(lib.PERI_ETOO_BIG, rig:emit(UP, fields))
    fields.body, fields.method = nil, ('m'):rep(300)
    assert.equal(lib.PERI_EBAD_REQUEST, rig:write(UP, fields))
    fields.method, fields.attachments, fields.attachments_ser = 'm', ('a'):rep(70000), 111
    assert.equal(lib.PERI_ETOO_BIG, rig:emit(UP, fields))
    assert.equal(before, tonumber(lib.peri_conn_out(rig:conn(UP)).len))
    local event, mark = rig:event { type = 'REPLY', serializer = 110 }, ffi.new('peri_mark')
    local conn = rig:conn(DOWN)
    assert.equal(0, conn.protocol.begin(conn, event, mark))
    conn.protocol.abort(conn, mark)
    assert.equal(0, tonumber(lib.peri_conn_out(conn).len))
  end)

  it('answers without an event are the same bytes', function()
    open()
    local conn, session_there = rig:conn(DOWN), there
    local block = lib.peri_block_new(9000)
    ffi.fill(block.data, 9000, 0x42)
    for _, len in ipairs { 0, 5, 9000 } do
      local event = rig:event {
        type = 'REPLY',
        flags = 1,
        stream = 7,
        session = session_there,
        serializer = 110,
        compression = 3,
      }
      local reply = ffi.new('peri_reply', {
        stream = 7,
        session = session_there,
        serializer = 110,
        compression = 3,
        block = block,
        body = { block.data, len },
      })
      event.block, event.body = block, reply.body
      local before = #rig:wire(DOWN)
      assert.equal(0, conn.protocol.emit(conn, event))
      rig:pump()
      local between = #rig:wire(DOWN)
      assert.equal(0, conn.protocol.reply(conn, reply))
      rig:pump()
      local wire = rig:wire(DOWN)
      assert.is_true(between - before > len)
      assert.equal(wire:sub(before + 1, between), wire:sub(between + 1))
    end
    rig.raw.limits.frame = 4096
    local reply = ffi.new('peri_reply', { stream = 7, body = { block.data, 5000 } })
    assert.equal(lib.PERI_ETOO_BIG, conn.protocol.reply(conn, reply))
    assert.equal(0, tonumber(lib.peri_conn_out(conn).len))
    lib.peri_block_unref(block)
  end)

  it('answers that are encoded in place are the same bytes', function()
    open()
    local conn, mark = rig:conn(DOWN), ffi.new 'peri_mark'
    local function write(begin, finish, text)
      local before = #rig:wire(DOWN)
      assert.equal(0, begin())
      lib.peri_buf_add(lib.peri_conn_out(conn), text, #text)
      local code = finish()
      rig:pump()
      return code, rig:wire(DOWN):sub(before + 1)
    end
    local reply = ffi.new('peri_reply', { stream = 7, session = there, serializer = 111 })
    local event =
      rig:event { type = 'REPLY', flags = 1, stream = 7, session = there, serializer = 111 }
    local function both(compression, text)
      event.compression = compression
      local code, long = write(function()
        return conn.protocol.begin(conn, event, mark)
      end, function()
        return conn.protocol['end'](conn, event, mark)
      end, text)
      local same, short = write(function()
        return conn.protocol.reply_begin(conn, reply, mark)
      end, function()
        return conn.protocol.reply_end(conn, compression, mark)
      end, text)
      assert.equal(code, same)
      assert.equal(long, short)
      return code, #short
    end
    for _, text in ipairs { '\192', ('B'):rep(9000) } do
      local code, plain = both(0, text)
      assert.equal(0, code)
      local _, packed = both(lib.PERI_COMP_ZSTD, text)
      assert.equal(#text >= 2048, packed < plain)
    end
    rig.raw.limits.frame = 4096
    assert.equal(lib.PERI_ETOO_BIG, (both(0, ('B'):rep(5000))))
    assert.equal(0, tonumber(lib.peri_conn_out(conn).len))
    assert.equal(0, conn.protocol.reply_begin(conn, reply, mark))
    conn.protocol.abort(conn, mark)
    assert.equal(0, tonumber(lib.peri_conn_out(conn).len))
  end)

  it('calls without an event are the same bytes', function()
    open()
    local conn, text = rig:conn(UP), ('B'):rep(9000)
    local function message(method, len)
      local body = { ffi.cast('const uint8_t *', text), len }
      local event = rig:event {
        type = 'OPEN',
        flags = 1,
        stream = 7,
        session = session,
        serializer = 110,
        timeout_ms = 1500,
        method = method,
      }
      event.body = body
      local name = { ffi.cast('const uint8_t *', method), #method }
      return event,
        ffi.new('peri_request', {
          stream = 7,
          session = session,
          serializer = 110,
          timeout_ms = 1500,
          method = name,
          body = body,
        })
    end
    for method, len in pairs { m = 0, [('n'):rep(255)] = 5, echo = 9000 } do
      local event, request = message(method, len)
      local before = #rig:wire(UP)
      assert.equal(0, conn.protocol.emit(conn, event))
      rig:pump()
      local between = #rig:wire(UP)
      assert.equal(0, conn.protocol.request(conn, request))
      rig:pump()
      local wire = rig:wire(UP)
      assert.is_true(between - before > len)
      assert.equal(wire:sub(before + 1, between), wire:sub(between + 1))
    end
    for _, method in ipairs { '', ('m'):rep(256) } do
      local _, request = message(method, 5)
      assert.equal(lib.PERI_EBAD_REQUEST, conn.protocol.request(conn, request))
    end
    rig.raw.limits.frame = 4096
    local _, request = message('m', 5000)
    assert.equal(lib.PERI_ETOO_BIG, conn.protocol.request(conn, request))
    assert.equal(0, tonumber(lib.peri_conn_out(conn).len))
  end)

  it('attachments come across, from JSON too', function()
    open()
    local fields = {
      type = 'OPEN',
      flags = 1,
      stream = 50,
      session = session,
      method = 'm',
      serializer = 110,
      attachments = '{"color":"blue"}',
      attachments_ser = 13,
    }
    assert.equal(0, rig:emit(UP, fields))
    rig:pump()
    assert.truthy(rig:news(DOWN):find('attachments=12 ser=110', 1, true))
  end)

  it('a long error text is cut at a character', function()
    open()
    local id = rig:expect(UP)
    rig:emit(DOWN, {
      type = 'REPLY',
      flags = 1,
      stream = id,
      session = there,
      code = -2,
      serializer = 110,
      message = 'x' .. ('\xc3\xa4'):rep(6000),
    })
    rig:pump()
    assert.truthy(rig:news(UP):find('UNKNOWN message=(8191 bytes)', 1, true))
  end)

  it('details of an error travel in its head, unless they are too long', function()
    open()
    local function told(details, fields)
      local event = { type = 'REPLY', flags = 1, session = there, code = -8, body = details }
      for key, value in pairs(fields or {}) do
        event[key] = value
      end
      event.stream, event.serializer = rig:expect(UP), 110
      assert.equal(0, rig:emit(DOWN, event))
      rig:pump()
      return rig:news(UP)
    end
    assert.truthy(told('7'):find('LIMITED ser=111 body=7', 1, true))
    assert.truthy(told(('x'):rep(8192)):find('body=(8192 bytes)', 1, true))
    local without = told(('x'):rep(8193), { message = 'too long' })
    assert.truthy(without:find('LIMITED', 1, true))
    assert.truthy(without:find('too long', 1, true))
    assert.is_nil(without:find('body=', 1, true))
    local most = { attachments = ('a'):rep(58000), attachments_ser = 111 }
    assert.is_nil(told(('x'):rep(8000), most):find('body=', 1, true))
  end)

  it('details that a head has no room for are no head', function()
    open()
    local id = rig:expect(UP)
    local reply = frame(2, 0, '\0\4\8\5\0\9x')
    rig:send(DOWN, (reply:gsub('^(.........)....', '%1' .. u32(id)))):pump()
    assert.truthy(rig:news(UP):find('CLOSED PROTOCOL', 1, true))
  end)
end)
