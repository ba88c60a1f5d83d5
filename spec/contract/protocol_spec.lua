-- SPDX-License-Identifier: MIT
-- The message model, run through every protocol machine: each scenario with the bytes whole, byte by
-- byte, in every two-way split of either direction, and cut off at every byte.
local p = require 'spec.support.protocol'

local UP, DOWN = p.UP, p.DOWN
local END, ONEWAY, NOT_RUN, CALLBACK = 1, 2, 4, 8
local E = p.lib

-- What a machine needs before the first call, and what its events carry.
local machines = {
  {
    name = 'test',
    protocol = 'test',
    prepare = function(rig)
      rig:emit(UP, { type = 'PING', stream = 1 }) -- a server speaks when it knows the protocol
      rig:pump()
    end,
    call = function(_, fields)
      return fields
    end,
  },
  {
    name = 'joyrpc, native',
    protocol = 'joyrpc',
    prepare = function(rig)
      rig.session = rig:open { iface = 'demo.Greeter', alias = 'prod' }
    end,
    call = function(rig, fields, side)
      if not (fields.flags and fields.flags >= CALLBACK) then
        fields.session = side == UP and rig.session or rig:server_session(1)
      end
      fields.serializer = fields.serializer or 111
      return fields
    end,
  },
  {
    name = 'joyrpc, json',
    protocol = 'joyrpc',
    unary = true,
    prepare = function(rig)
      -- Both ends forget that the other is one of ours.
      rig.session = rig:open { iface = 'demo.Greeter', alias = 'prod', serializer = 'json' }
      if rig.session then
        rig.session.native = false
        rig:server_session(1).native = false
        rig:conn(UP).native, rig:conn(DOWN).native = false, false
      end
    end,
    call = function(rig, fields, side)
      if not (fields.flags and fields.flags >= CALLBACK) then
        fields.session = side == UP and rig.session or rig:server_session(1)
      end
      fields.serializer = 13
      if fields.body and fields.body ~= '' then
        fields.body = fields.type == 'OPEN' and ('[%q]'):format(fields.body)
          or ('%q'):format(fields.body)
      end
      return fields
    end,
  },
  {
    name = 'dubbo',
    protocol = 'dubbo',
    unary = true,
    one_way = true, -- calls go to the server only
    prepare = function(rig)
      rig.session = rig:open { iface = 'demo.Greeter', alias = 'prod' }
      rig:emit(UP, { type = 'PING' }) -- nothing is negotiated: the server has heard nothing yet
      rig:pump()
    end,
    call = function(rig, fields, side)
      if side == UP then
        fields.session = rig.session
        fields.iface, fields.alias = 'demo.Greeter', 'prod'
      end
      fields.serializer = 32
      if fields.body and fields.body ~= '' then
        fields.body = (fields.type == 'OPEN' and 'y' or '')
          .. string.char(#fields.body)
          .. fields.body
      end
      return fields
    end,
  },
}

-- `at` are the events that each side must have heard, in order, as Lua patterns.
local scenarios = {
  {
    name = 'a call and its result',
    run = function(rig, call)
      local id = rig:expect(UP)
      call(UP, {
        type = 'OPEN',
        flags = END,
        stream = id,
        method = 'hello',
        timeout_ms = 250,
        body = 'moon',
      })
      call(DOWN, { type = 'REPLY', flags = END, stream = id, body = 'hello moon' })
    end,
    up = { 'DONE %d+ OK.-body=.-hello moon' },
    down = { 'OPEN %d+ flags=1 timeout=250.-method=hello.-body=.-moon' },
  },
  {
    name = 'a call and nothing',
    run = function(rig, call)
      local id = rig:expect(UP)
      call(UP, { type = 'OPEN', flags = END, stream = id, method = 'forget' })
      call(DOWN, { type = 'REPLY', flags = END, stream = id })
    end,
    up = { 'DONE %d+ OK' },
    down = { 'OPEN %d+ flags=1.-method=forget' },
  },
  {
    name = 'an error with its text',
    run = function(rig, call)
      local id = rig:expect(UP)
      call(UP, { type = 'OPEN', flags = END, stream = id, method = 'hello' })
      call(
        DOWN,
        { type = 'REPLY', flags = END, stream = id, code = E.PERI_ENOT_FOUND, message = 'no moon' }
      )
    end,
    up = { 'DONE %d+ NOT_FOUND message=no moon' },
    down = { 'OPEN' },
  },
  {
    name = 'a refusal that may be tried elsewhere',
    run = function(rig, call)
      local id = rig:expect(UP)
      call(UP, { type = 'OPEN', flags = END, stream = id, method = 'hello' })
      call(DOWN, {
        type = 'REPLY',
        flags = END + NOT_RUN,
        stream = id,
        code = E.PERI_EOVERLOADED,
        message = 'later',
      })
    end,
    up = { 'DONE %d+ OVERLOADED flags=1 message=later' },
    down = { 'OPEN' },
  },
  {
    name = 'answers in another order than the requests',
    run = function(rig, call)
      local ids = {}
      for i = 1, 3 do
        ids[i] = rig:expect(UP)
        call(
          UP,
          { type = 'OPEN', flags = END, stream = ids[i], method = 'm' .. i, body = 'a' .. i },
          true
        )
      end
      rig:pump()
      for _, i in ipairs { 3, 1, 2 } do
        call(DOWN, { type = 'REPLY', flags = END, stream = ids[i], body = 'r' .. i }, true)
      end
      rig:pump()
    end,
    up = { 'DONE.-r3', 'DONE.-r1', 'DONE.-r2' },
    down = { 'OPEN.-m1', 'OPEN.-m2', 'OPEN.-m3' },
  },
  {
    name = 'a call from the server',
    callback = true,
    run = function(rig, call)
      local id = rig:expect(DOWN)
      call(DOWN, {
        type = 'OPEN',
        flags = END + CALLBACK,
        stream = id,
        method = 'notify',
        callback = '4711',
        body = 'news',
      })
      call(
        UP,
        { type = 'REPLY', flags = END + CALLBACK, stream = id, callback = '4711', body = 'seen' }
      )
    end,
    up = { 'OPEN %d+ flags=9.-method=notify.-body=.-news' },
    down = { 'DONE %d+ OK.-body="?seen' },
  },
  {
    name = 'a call from the server that it cancels, beside one of the client with its number',
    native = true,
    run = function(rig, call)
      local own, id = rig:expect(UP), 0
      for _ = 1, own do
        id = rig:expect(DOWN)
      end
      call(UP, { type = 'OPEN', flags = END, stream = own, method = 'subscribe', callback = '7:1' })
      call(DOWN, {
        type = 'OPEN',
        flags = END + CALLBACK,
        stream = id,
        method = 'notify',
        callback = '7',
      })
      call(DOWN, { type = 'CANCEL', flags = CALLBACK, stream = id, code = E.PERI_ETIMEOUT })
      call(DOWN, { type = 'REPLY', flags = END, stream = own, body = 'done' })
    end,
    up = { 'OPEN %d+ flags=9.-method=notify', 'CANCEL %d+ flags=8', 'DONE %d+ OK.-done' },
    down = { 'OPEN %d+ flags=1.-method=subscribe' },
  },
  {
    name = 'the release of a callback',
    native = true,
    run = function(_, call)
      call(DOWN, {
        type = 'OPEN',
        flags = END + ONEWAY + CALLBACK,
        stream = 9,
        method = '$release',
        callback = '7',
      })
    end,
    up = { 'OPEN 9 flags=11.-method=%$release' },
    down = {},
  },
  {
    name = 'a late answer',
    run = function(rig, call)
      local id = rig:expect(UP)
      call(UP, { type = 'OPEN', flags = END, stream = id, method = 'hello' })
      -- The caller's future is still there, but the connection has forgotten it.
      rig:forget(id)
      call(DOWN, { type = 'REPLY', flags = END, stream = id, body = 'late' })
    end,
    up = {},
    down = { 'OPEN' },
  },
  {
    name = 'a goodbye of the server',
    run = function(rig)
      if rig:conn(DOWN) ~= nil then
        p.lib.peri_conn_drain(rig:conn(DOWN))
      end
      rig:advance(1000) -- a protocol may wait for a moment that suits its peer
    end,
    up = { 'DRAINED' },
    down = {},
  },
  {
    name = 'a call without an answer',
    native = true,
    run = function(_, call)
      call(UP, { type = 'OPEN', flags = END + ONEWAY, stream = 99, method = 'log', body = 'x' })
    end,
    up = {},
    down = { 'OPEN 99 flags=3.-method=log' },
  },
  {
    name = 'a stream of the client',
    native = true,
    run = function(rig, call)
      local id = rig:expect(UP)
      call(UP, { type = 'OPEN', stream = id, method = 'sum', body = '0' })
      call(UP, { type = 'DATA', stream = id, body = '1' })
      call(UP, { type = 'DATA', stream = id, body = '2' }, true)
      call(UP, { type = 'HALF_CLOSE', flags = END, stream = id })
      call(DOWN, { type = 'REPLY', flags = END, stream = id, body = '3' })
    end,
    up = { 'DONE %d+ OK.-body=3' },
    down = { 'OPEN', 'DATA %d+.-body=1', 'DATA %d+.-body=2', 'HALF_CLOSE %d+ flags=1' },
  },
  {
    name = 'a stream of the server',
    native = true,
    run = function(rig, call)
      local id = rig:stream(UP)
      call(UP, { type = 'OPEN', flags = END, stream = id, method = 'count', body = '2' })
      call(DOWN, { type = 'DATA', stream = id, body = 'one' })
      call(DOWN, { type = 'DATA', stream = id, body = 'two' })
      call(DOWN, {
        type = 'TRAILERS',
        flags = END,
        stream = id,
        code = E.PERI_EDATA_LOSS,
        message = 'enough',
      })
    end,
    up = {
      'DATA %d+.-body=one',
      'DATA %d+.-body=two',
      'TRAILERS %d+ flags=1 code=%-15.-message=enough',
    },
    down = { 'OPEN' },
  },
  {
    name = 'a stream both ways with credit',
    native = true,
    run = function(rig, call)
      local id = rig:stream(UP)
      call(UP, { type = 'OPEN', stream = id, method = 'chat' })
      call(DOWN, { type = 'WINDOW', stream = id, credit = 65536 })
      call(UP, { type = 'DATA', stream = id, body = 'ping' })
      call(UP, { type = 'WINDOW', stream = id, credit = 1024 })
      call(DOWN, { type = 'DATA', stream = id, body = 'pong' })
      call(UP, { type = 'HALF_CLOSE', flags = END, stream = id })
      call(DOWN, { type = 'TRAILERS', flags = END, stream = id })
    end,
    up = { 'WINDOW %d+ credit=65536', 'DATA.-pong', 'TRAILERS' },
    down = { 'OPEN', 'DATA.-ping', 'WINDOW %d+ credit=1024', 'HALF_CLOSE' },
  },
  {
    name = 'a call that the client cancels',
    native = true,
    run = function(rig, call)
      local id = rig:expect(UP)
      call(UP, { type = 'OPEN', flags = END, stream = id, method = 'slow' })
      rig:forget(id, true)
      rig:pump()
    end,
    up = {},
    down = { 'OPEN', 'CANCEL %d+ code=%-1' },
  },
  {
    name = 'a call that the server cancels',
    native = true,
    run = function(rig, call)
      local id = rig:expect(UP)
      call(UP, { type = 'OPEN', flags = END, stream = id, method = 'slow' })
      call(DOWN, { type = 'CANCEL', stream = id, code = E.PERI_EABORTED })
    end,
    up = { 'DONE %d+ ABORTED' },
    down = { 'OPEN' },
  },
  {
    name = 'a ping',
    run = function(_, call)
      call(UP, { type = 'PING', stream = 5 })
    end,
    up = {},
    down = {},
  },
}

local function new_rig(machine, options)
  options.protocol = machine.protocol
  local rig = p.rig(options)
  machine.prepare(rig)
  rig.prepared = { [UP] = #rig:wire(UP), [DOWN] = #rig:wire(DOWN) }
  return rig
end

local function play(machine, scenario, options, write)
  local rig = new_rig(machine, options)
  scenario.run(rig, function(side, fields, wait)
    fields = machine.call(rig, fields, side)
    local whole = fields.type ~= 'OPEN' and fields.type ~= 'REPLY'
    local code = (write and not whole) and rig:write(side, fields) or rig:emit(side, fields)
    assert(code == nil or code == 0, code)
    if not wait then
      rig:pump()
    end
  end)
  rig:pump()
  local result = {
    heard = { [UP] = rig:heard(UP), [DOWN] = rig:heard(DOWN) },
    bytes = { [UP] = #rig:wire(UP), [DOWN] = #rig:wire(DOWN) },
    prepared = rig.prepared,
  }
  assert.equal(0, rig:free())
  return result
end

local function assert_heard(patterns, text)
  local from = 1
  for _, pattern in ipairs(patterns) do
    local first, last = text:find('\n?' .. pattern, from)
    assert(first, ('no %s in:\n%s'):format(pattern, text:sub(from)))
    from = last + 1
  end
end

for _, machine in ipairs(machines) do
  describe('message model: ' .. machine.name, function()
    for _, scenario in ipairs(scenarios) do
      if not (scenario.native and machine.unary or scenario.callback and machine.one_way) then
        it('carries ' .. scenario.name, function()
          for _, write in ipairs { false, true } do
            local result = play(machine, scenario, {}, write)
            assert_heard(scenario.up, result.heard[UP])
            assert_heard(scenario.down, result.heard[DOWN])
          end
        end)

        it('carries ' .. scenario.name .. ' byte by byte and in every split', function()
          local whole = play(machine, scenario, {})
          assert.same(whole.heard, play(machine, scenario, { chunk = 1 }).heard)
          for side, option in pairs { [UP] = 'up_cut', [DOWN] = 'down_cut' } do
            for cut = whole.prepared[side] + 1, whole.bytes[side] - 1 do
              assert.same(whole.heard, play(machine, scenario, { [option] = cut }).heard)
            end
          end
        end)

        it('survives the end of the connection within ' .. scenario.name, function()
          local whole = play(machine, scenario, {})
          for side, option in pairs { [UP] = 'up_drop', [DOWN] = 'down_drop' } do
            for drop = whole.prepared[side] + 1, whole.bytes[side] - 1 do
              local cut = play(machine, scenario, { [option] = drop })
              local other = 1 - side
              local before = cut.heard[other]:gsub('DONE %d+ CLOSED[^\n]*\n', '')
              before = before:gsub('%f[^\n%z]CLOSED[^\n]*\n', '')
              assert.equal(whole.heard[other]:sub(1, #before), before)
            end
          end
        end)
      end
    end
  end)
end
