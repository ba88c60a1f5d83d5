-- SPDX-License-Identifier: MIT
-- Stock JoyRPC peers over time: providers that end, come back, are full or strange; what consumers on
-- the other side notice of it. Each case runs where Java calls us and where we call Java.
local app = require 'spec.support.app'
local java = require 'spec.interop.java'
local life = require 'spec.interop.life'
local matrix = require 'spec.interop.matrix'

local RATE = 100 -- calls a second
local UP, DOWN = 'Java to Lua', 'Lua to Java'

-- Ways to speak: each serialization and each compression is in one of them, so that every case meets it. Beside
-- Jackson JoyRPC reads no text in JSON; its LZMA takes 80 MiB and 10 ms for each message.
local WAYS = { { name = '', load = {}, refer = '', spoken = '2 0' } }
for _, way in ipairs {
  { 'protostuff', 'lz4', '14 3' },
  { 'hessian', 'snappy', '2 2' },
  { 'hessian', 'snappyf', '2 22' },
  { 'json', 'zlib', '13 4', java = { without = 'jackson' } },
  { 'json', 'gzip', '13 6', java = { without = 'jackson' } },
  { 'protostuff', 'lzma', '14 5', java = { heap = '2g' }, rate = 10 },
  { 'protostuff', 'lz4f', '14 23' },
} do
  local serialization, compression, spoken = unpack(way)
  local ours = serialization == 'hessian' and 'hessian2' or serialization
  WAYS[#WAYS + 1] = {
    name = (', %s, %s'):format(serialization, compression),
    -- Calls are large enough to be compressed.
    load = { serialization = serialization, compress = compression, pad = 4000, rate = way.rate },
    refer = (", serialization = '%s', compression = '%s'"):format(ours, compression),
    java = way.java, -- settings of every Java process
    spoken = spoken,
  }
end

-- JVMs start beside them on the same few cores: waiting for one is not what these cases are about.
local CALM = { PERILUNE_QUEUE_AGE = 5000 }

local function merged(...)
  local all = {}
  for i = 1, select('#', ...) do
    for key, value in pairs(select(i, ...) or {}) do
      all[key] = value
    end
  end
  return all
end

describe('JoyRPC peers', function()
  local why = java.missing()
  if why then
    pending(why)
    return
  end
  local table_of_cases = matrix.new('joyrpc-life', 'JoyRPC 1.4.7 over time')
  local declared, names, seen = 0, {}, 0

  after_each(function()
    java.stop_all()
    app.stop_all()
  end)

  -- Specs run in any order; the table has that of their declaration, and is written when all ran.
  teardown(function()
    if seen == declared then
      table_of_cases.order, table_of_cases.columns = names, { UP, DOWN }
      table_of_cases:write(2)
    end
  end)

  -- A case that counts as seen when its body raises nothing.
  local function case(column, name, body)
    declared = declared + 1
    if not names[name] then
      names[#names + 1], names[name] = name, true
    end
    it(('%s: %s'):format(column, name), function()
      local ok, wrong = pcall(body)
      seen = seen + 1
      table_of_cases:add(column, name, ok or 'failed')
      assert(ok, wrong)
    end)
  end

  -- Two providers and a consumer under load: in Java of ours, or in Java of a Lua one that calls on to
  -- stock ones. What it sees of a provider is then named 'lua>one'.
  local function scene(column, settings)
    settings = settings or {}
    local make = column == UP and life.lua or life.java
    local way = settings.way or WAYS[1]
    local all = { rate = RATE, warmup = 0, init = 2, retries = 1 }
    all = merged(all, way.java, way.load, settings.load)
    local env = merged(CALM, settings.env)
    local always = column == UP and { env = env } or way.java
    local one = merged(always, settings.one)
    local s = { rate = all.rate, prefix = column == UP and '' or 'lua>' }
    s.one, s.two =
      make('one', merged(one, { later = true })), make('two', merged(always, { later = true }))
    if column == DOWN then
      life.ready(s.one)
      life.ready(s.two)
    end
    s.entry = settings.wire and life.wire(s.one) or s.one
    local urls = s.entry.url .. ';' .. s.two.url
    if column == UP then
      s.load = life.load(urls, all)
    else
      -- Not p2c, which leaves a JVM that has just started, and is slow, alone for half a minute.
      local refer = settings.refer or "loadbalance = 'random_weight'" .. way.refer
      s.relay = life.lua('lua', { via = urls, refer = refer, env = env })
      all.init = 1
      all.retries = 0
      s.load = life.load(s.relay.url, all)
    end
    function s.count(report, name)
      return report.from[s.prefix .. name]
    end
    function s.both()
      s.load:take()
      return s.load:wait(function(report)
        return s.count(report, 'one') > s.rate / 4 and s.count(report, 'two') > s.rate / 4
      end, 'calls to both')
    end
    -- The first ends, unnoticed, and comes back; what the load has seen when many calls went to it.
    function s.restart()
      s.load:take()
      s.one:kill 'KILL'
      s.one:wait()
      s.one = make('one', merged(one, { port = s.one.port }))
      return s.load:wait(function(report)
        return s.count(report, 'one') > s.rate
      end, 'calls to who came back')
    end
    -- Waits for answers of which none is from the first.
    function s.only_two()
      local first, second
      s.load:wait(function(report)
        local was_first, was_second = first, second
        first, second = s.count(report, 'one'), s.count(report, 'two')
        return first == was_first and second > (was_second or second) + s.rate / 10
      end, 'calls to the second only')
    end
    return s
  end

  -- What is lost with the process that had it is not repeated by JoyRPC; every other failure counts.
  local function but_for_lost(report)
    for text in pairs(report.failed) do
      if text:find('^ChannelClosedException') then
        report.failed[text] = nil
      end
    end
    return report.failed
  end

  for _, column in ipairs { UP, DOWN } do
    case(column, 'timeout', function()
      local s = scene(column, {
        load = { millis = 60000, timeout = 300, retries = 0, rate = 20 },
        one = { export = 'timeout = 60000' },
        refer = 'timeout = 200',
      })
      local report = s.load:wait(function(report)
        return report.failures > 5
      end, 'timeouts')
      for text in pairs(report.failed) do
        assert.is_truthy(text:find 'imeout' or text:find 'deadline exceeded', text)
      end
      assert.equal(0, report.answers)
      if column == UP then
        -- The handlers, which would sleep for a minute, were cancelled: nothing is left to wait for.
        s.load:stop()
        s.one:kill 'TERM'
        assert.same({ code = 0 }, s.one:wait())
      end
    end)

    for _, way in ipairs(WAYS) do
      case(column, 'retry after restart, reconnect' .. way.name, function()
        local s = scene(column, { way = way, load = { millis = 5 } })
        s.both()
        local report = s.restart()
        local failed = column == UP and but_for_lost(report) or report.failed
        assert.same({}, failed)
      end)

      -- The calls take a while, or none, so that the notice mostly comes between two.
      for _, calls in ipairs { { '', 20 }, { ', brief calls', -1 } } do
        case(column, 'offline under load' .. way.name .. calls[1], function()
          -- Not even one retry: the notice alone moves the calls.
          local s = scene(column, { way = way, load = { millis = calls[2], retries = 0 } })
          s.both()
          s.one:kill 'TERM'
          s.only_two()
          if column == UP or way == WAYS[1] then -- Java takes 15 s to end, whatever was spoken
            s.one:wait(60)
          end
          local report = s.load:report()
          assert.same({}, report.failed)
        end)
      end

      case(column, 'session lost' .. way.name, function()
        local s = scene(column, { way = way, wire = true })
        s.both()
        local report = s.restart()
        local frames = s.entry:report()
        -- Negotiated anew; but calls in JSON name their service, and are answered without a session.
        assert.is_true(frames['up 8'] >= (way.load.serialization == 'json' and 1 or 2))
        assert.is_true(frames.dials >= 2)
        assert.is_true(frames['calls up ' .. way.spoken] > 0)
        assert.is_true(frames['calls down ' .. way.spoken] > 0)
        for text in pairs(report.failed) do
          assert.matches('[Tt]imeout', text) -- of what was lost with the process, unnoticed
        end
      end)
    end

    case(column, 'overload', function()
      local one = column == UP and { export = 'concurrency = 1' } or { concurrency = 1 }
      local s = scene(column, { one = one, load = { millis = 40 } })
      local report = s.load:wait(function(report)
        return s.count(report, 'one') > 10 and s.count(report, 'two') > 3 * RATE
      end, 'calls to both')
      assert.same({}, report.failed)
    end)

    case(column, 'reject', function()
      local one = column == UP and { export = "alias = 'other'" } or { alias = 'other' }
      local s = scene(column, { one = one })
      local report = s.load:wait(function(report)
        return s.count(report, 'two') > RATE
      end, 'calls to the second')
      assert.same({}, report.failed)
      assert.equal(0, s.count(report, 'one'))
    end)

    case(column, 'heartbeat, silence', function()
      local env = { PERILUNE_HEARTBEAT_INTERVAL = 300 }
      local load = { beat = 300, timeout = 500, retries = 1 }
      local s = scene(column, { wire = true, env = env, load = load, refer = 'timeout = 300' })
      s.both()
      s.load:wait(function()
        local frames = s.entry:report()
        return frames['up 10'] > 2 and frames['down 11'] > 2
      end, 'heartbeats')
      s.entry:tell 'hold'
      s.only_two()
      s.entry:tell 'flow'
      s.load:wait(function(report)
        return s.count(report, 'one') > RATE / 4
      end, 'calls to who came back')
    end)
  end

  -- A session beat passes, and calls go on behind it.
  local function beats(wire, load)
    load:wait(function()
      return wire:report()['up 14'] > 0
    end, 'a session beat', 60)
    load:take()
    local report = load:wait(function(report)
      return report.answers > 5
    end, 'answers')
    assert.same({}, report.failed)
  end

  case(UP, 'session beat', function()
    local one = life.lua 'one'
    local wire = life.wire(one)
    local load = life.load(wire.url, { rate = 5, warmup = 0, sessionTimeout = 60000 })
    beats(wire, load)
  end)

  case(DOWN, 'session beat', function()
    local one = life.java 'one'
    local wire = life.wire(one)
    local relay = life.lua('lua', { via = wire.url })
    local load = life.load(relay.url, { rate = 5, warmup = 0 })
    beats(wire, load)
  end)

  local function answered(url, settings)
    settings.rate, settings.retries, settings.warmup = 20, 0, 0
    local load = life.load(url, settings)
    local report = load:wait(function(report)
      return report.answers + report.failures > 5
    end, 'answers or failures')
    load:stop()
    return report
  end

  case(UP, 'token', function()
    local server = life.lua('one', { export = "auth = { 'token', token = 'open' }" })
    assert.same({}, answered(server.url, { token = 'open' }).failed)
    local without = answered(server.url, {})
    assert.equal(0, without.answers)
    assert.matches('^AuthenticationException', (next(without.failed)))
    -- With a wrong one there is not even a session: it never gets to know a provider.
    local ok, wrong = pcall(life.load, server.url, { token = 'shut', initConnectTimeout = 1000 })
    assert.is_false(ok)
    assert.matches('InitializationException', wrong)
  end)

  case(DOWN, 'token', function()
    local CLIENT = [[
      local place = perilune.refer {
        interface = 'demo.joyrpc.Place', alias = 'prod', url = 'joyrpc://127.0.0.1:%d', timeout = 1000, %s
      }
      perilune.main(function() print(place:where 'x') end)]]
    local server = life.java('one', { token = 'open' })
    local function call(options)
      local process = app.start(CLIENT:format(server.port, options))
      process:wait(30)
      return process.output
    end
    assert.matches('one:x', call "auth = { 'token', token = 'open' }", 1, true)
    assert.matches('token is invalid', call "auth = { 'token', token = 'shut' }", 1, true)
    assert.matches('one:x', call "token = 'open'", 1, true)
    assert.matches('Authentication is not passed', call "token = 'shut'", 1, true)
    -- JoyRPC itself does the same.
    local ok = pcall(life.load, server.url, { token = 'shut', initConnectTimeout = 1000 })
    assert.is_false(ok)
  end)

  describe('share a consumer', function()
    local ENOUGH, LOAD = 2000, 300

    -- The share of 'lua' is `expected`, within a tenth.
    local function share(load, expected)
      load:wait(function(report)
        return report.from.lua > 0 and report.from.java > 0
      end, 'calls to both')
      load:take()
      local report = load:wait(function(now)
        return now.answers > ENOUGH
      end, 'many calls')
      local ratio = report.from.lua / report.answers / expected
      assert.same({}, report.failed)
      assert.is_true(ratio > 0.9 and ratio < 1.1, ('share %.3f of what is expected'):format(ratio))
    end

    case(UP, 'share by weight', function()
      local lua, other = life.lua 'lua', life.java 'java'
      for _, weight in ipairs { 50, 200 } do
        local url = ('%s?weight=%d;%s?weight=100'):format(lua.url, weight, other.url)
        local load = life.load(url, { rate = LOAD, warmup = 0, init = 2 })
        share(load, weight / (weight + 100))
        load:stop()
      end
    end)

    case(UP, 'share while warming up', function()
      local other = life.java('java', { later = true })
      local lua = life.lua 'lua'
      life.ready(other)
      local load = life.load(lua.url .. ';' .. other.url, { rate = LOAD, init = 2 })
      -- The second by which their starts may differ tells less when they are older.
      load:wait(function(report)
        return report.answers > LOAD * 10
      end, 'calls')
      share(load, 1 / 2)
    end)

    case(UP, 'share of those that seem ramped', function()
      local ramped = { export = "joyrpc = { start_time = 'ramped' }" }
      local lua, other = life.lua('lua', ramped), life.lua('java', ramped)
      local load = life.load(lua.url .. '?weight=200;' .. other.url, { rate = LOAD, init = 2 })
      load:wait(function(report)
        return report.answers > LOAD * 2 -- two seconds, in which the ramp ends
      end, 'calls')
      share(load, 2 / 3)
    end)
  end)
end)
