-- SPDX-License-Identifier: MIT
-- A stock JoyRPC, 1.4.7, in both directions: every case with each serialization, and what is large
-- enough to be compressed with each of them and each compression.
local app = require 'spec.support.app'
local cases = require 'spec.interop.cases'
local java = require 'spec.interop.java'
local life = require 'spec.interop.life'
local matrix = require 'spec.interop.matrix'
local probe = require 'spec.interop.probe'

local NO_DEFAULT = 'JoyRPC calls a default method on Java 8 only (9 to 13: '
  .. 'UnsupportedOperationException, later NoSuchMethodException: Lookup(Class, int)); '
  .. '$invoke is one. With `java` 8 in the path this says yes'

local UP, DOWN = 'Java to Lua', 'Lua to Java'

local NO_GENERIC = 'JoyRPC cannot read the arguments of a generic call in JSON'

-- What Java alone cannot do, by serialization and case, or for a whole direction. Believed only when
-- Java alone fails too.
local BROKEN = {
  hessian = {
    char = 'JoyRPC cannot read a char in Hessian, not even from Java (ClassCastException)',
    generic = { [UP] = NO_DEFAULT },
  },
  json = {
    double = 'Fastjson writes an infinite number as null',
    ['Object that is an object'] = 'Fastjson names no class where Object is declared',
    generic = { [UP] = NO_DEFAULT, [DOWN] = NO_GENERIC },
    ['generic async'] = { [DOWN] = NO_GENERIC },
    lz4f = "JoyRPC's LZ4 frames take no write of more than a block (IndexOutOfBoundsException)",
  },
  protostuff = {
    List = 'Protostuff leaves out what is null in a collection',
    ['Object[]'] = 'Protostuff leaves out what is null in an array of objects',
    cycle = 'JoyRPC writes no end to a cycle in Protostuff (StackOverflowError, a broken frame)',
    generic = { [UP] = NO_DEFAULT },
  },
  jackson = {
    ['Object that is an object'] = 'Jackson names no class where Object is declared',
    generic = { [UP] = NO_DEFAULT, [DOWN] = NO_GENERIC },
    ['generic async'] = { [DOWN] = NO_GENERIC },
    callback = "JoyRPC's black list for Jackson refuses io.joyrpc.Callback",
    [UP] = 'beside Jackson, JoyRPC reads no result in JSON that is not an object (joyrpc-all '
      .. 'takes Jackson for id 13 when its jars are there)',
  },
}

-- What a serialization does not have, whoever writes it.
local MISSING = {
  json = { cycle = 'JSON has no references; what Fastjson writes in their place is its own' },
}

-- `without` names jars that are left out: with those of Jackson there, JoyRPC takes it for Fastjson.
local SERIALIZATIONS = {
  { name = 'hessian', ours = 'hessian2', wire = 'hessian', id = 2 },
  { name = 'protostuff', wire = 'protostuff', id = 14 },
  { name = 'json', wire = 'json', without = 'jackson', id = 13 },
  {
    name = 'jackson',
    title = 'json (Jackson)',
    wire = 'json',
    timeout = 500, -- each result that is not read costs as much
    tells = 'no',
  },
}
local COMPRESSIONS = { 'snappy', 'lz4', 'zlib', 'gzip', 'lzma', 'snappyf', 'lz4f' }
local IDS = { snappy = 2, lz4 = 3, zlib = 4, lzma = 5, gzip = 6, snappyf = 22, lz4f = 23 }
local LARGE = {
  'sync',
  'async',
  'void',
  'null result',
  '1 MiB',
  '1 MiB string',
  'object',
  'declared exception',
  'undeclared exception',
  'attachment',
  'callback',
  'timeout',
}
local COMPRESSED = 2 -- of these, what is large

-- The settings of a Java process that speaks so.
local function settings_of(serialization, more)
  local settings = {
    serialization = serialization.wire,
    timeout = serialization.timeout,
    without = serialization.without,
    tells = serialization.tells,
  }
  for key, value in pairs(more) do
    settings[key] = value
  end
  return settings
end

-- Where the defect is the provider's, a consumer shows it that has none of its own: JoyRPC's cannot
-- call `$invoke`, and beside Jackson reads next to nothing.
local SHOWN_BY = { generic = 'generic async' }

-- Java calls Java: those of the cases that fail there too.
local function broken_alone(way, serialization, names, compression)
  local provider = java.provider('joyrpc', { without = serialization.without })
  local more = { port = provider.port, timeout = 1000, compress = compression }
  local settings = settings_of(serialization, more)
  local asked, broken = {}, {}
  for i, name in ipairs(names) do
    asked[i] = way == DOWN and SHOWN_BY[name] or name
  end
  if way == DOWN and serialization.wire == 'json' then
    settings.without, settings.tells = 'jackson', nil
  end
  local results = java.cases('joyrpc', settings, asked)
  provider:stop()
  for i, name in ipairs(names) do
    broken[name] = results[asked[i]] ~= true
  end
  return broken
end

-- What only JoyRPC's providers are asked. The refer sends a trace map.
local MORE = [[
  local with = perilune.with(probe, { attachments = { ['.hidden'] = 'secret', color = 'red' } })
  case('hidden attachment', function() return same('secret', with:attachment '.hidden') end)
  case('session attachment', function()
    return same('red', with:attachment 'color') or same('red', with:attachment 'color')
  end)
  case('trace', function()
    local parent, err = probe:attachment 'trace:traceparent'
    return err and tostring(err) or not tostring(parent):match '^00%-%x+%-%x+%-01$' and tostring(parent) or nil
  end)
  if serialization ~= 'json' then case('class of what is any object', function()
    local map, list = java.map, java.list
    local place = perilune.typed('demo.Address', { city = 'x', number = 1 })
    for class, value in pairs {
      ['java.util.TreeMap'] = map('java.util.TreeMap', { k = 7 }),
      ['java.util.LinkedHashMap'] = java.entries { { 'k', 7 } },
      ['java.util.concurrent.ConcurrentHashMap'] = map('java.util.concurrent.ConcurrentHashMap', { k = 7 }),
      ['java.util.Vector'] = list('java.util.Vector', { 'a' }),
      ['java.util.concurrent.CopyOnWriteArrayList'] = list('java.util.concurrent.CopyOnWriteArrayList', { 'a' }),
      ['[object'] = list('[object', { 'a', 1 }),
      ['[[int'] = list('[[int', { list('[int', { 1 }), list('[int', {}), list('[int', { 2, 3 }) }),
      ['[[string'] = list('[[string', { list('[string', { 'a', perilune.null }) }),
      ['[java.lang.Integer'] = list('[java.lang.Integer', { 1, perilune.null }),
      ['[[demo.Address'] = list('[[demo.Address', { list('[demo.Address', { place }) }),
    } do
      local back = perilune.check(probe:echoObject(value))
      local wrong = same(class, perilune.class_of(back)) or class ~= 'java.util.LinkedHashMap' and told(text_of(value))
      if wrong then return class .. ': ' .. wrong end
    end
  end) end
]]

local function call(provider, peer)
  peer.cases = MORE
  peer.scheme, peer.port, peer.watch = 'joyrpc', provider.port, "'demo.joyrpc.Watch'"
  return cases.run(peer)
end

-- The defect, and whether it is one of the whole direction.
local function reason_of(way, serialization, name)
  local reason = BROKEN[serialization.name][name]
  reason = type(reason) == 'table' and reason[way] or type(reason) == 'string' and reason or nil
  if reason then
    return reason, false
  end
  return BROKEN[serialization.name][way], true
end

describe('JoyRPC', function()
  local why = java.missing()
  if why then
    pending(why)
    return
  end
  local types = matrix.new('joyrpc', 'JoyRPC 1.4.7')
  local compressed = matrix.new(
    'joyrpc compressed',
    'JoyRPC 1.4.7, compressed',
    'Each cell: '
      .. table.concat(LARGE, ', ')
      .. ';\nheaders of calls and answers on the wire say that those of 1 MiB were compressed so.'
  )

  after_each(function()
    java.stop_all()
    app.stop_all()
  end)

  teardown(function()
    types:write(2 * #SERIALIZATIONS)
    compressed:write(2 * #SERIALIZATIONS - 2)
  end)

  local function failures(results, order)
    local names = {}
    for _, name in ipairs(order) do
      names[#names + 1] = results[name] ~= true and name or nil
    end
    return names
  end

  -- Puts results into the table; what failed must have a reason, and fail in Java alone.
  local function judge(way, serialization, results, order)
    local failed, wrong = failures(results, order), {}
    local title = serialization.title or serialization.name
    local broken = #failed > 0 and broken_alone(way, serialization, failed) or {}
    for _, name in ipairs(order) do
      local seen = results[name]
      local reason, whole = reason_of(way, serialization, name)
      local missing = (MISSING[serialization.wire] or {})[name]
      if seen ~= true and reason and broken[name] then
        local what = whole and ('%s, %s'):format(way, title) or ('%s, %s'):format(title, name)
        seen = { 'Java', ('%s: %s'):format(what, reason) }
      elseif seen ~= true and missing then
        seen = { serialization.wire, ('%s, %s: %s'):format(serialization.wire, name, missing) }
      elseif seen ~= true then
        wrong[#wrong + 1] = ('%s: %s'):format(name, seen)
      end
      types:add(('%s, %s'):format(way, title), name, seen)
    end
    assert.same({}, wrong)
    assert.is_true(#order > 0)
  end

  for _, serialization in ipairs(SERIALIZATIONS) do
    local title = serialization.title or serialization.name
    it('calls us in ' .. title, function()
      local server = app.serve(probe.server 'generic = true, trace = true')
      local settings = settings_of(serialization, { port = server.url:match ':(%d+)' })
      judge(UP, serialization, java.cases('joyrpc', settings))
    end)

    it('is called by us in ' .. title, function()
      local provider = java.provider('joyrpc', { without = serialization.without })
      local more = ("trace = { joyrpc = true }, serialization = '%s'"):format(
        serialization.ours or serialization.wire
      )
      -- A NullPointerException tells what was null from Java 14 on.
      local no_method = serialization.wire == 'json' and 'BAD_REQUEST'
        or java.version() < 14 and 'UNKNOWN'
        or 'NO_METHOD'
      judge(DOWN, serialization, call(provider, { more = more, no_method = no_method }))
    end)
  end

  -- What headers said on the wire: each of the large calls was compressed, and so was its answer.
  local function was_compressed(wire, serialization, compression)
    local report = wire:report()
    for _, direction in ipairs { 'up', 'down' } do
      local key = ('calls %s %d %d'):format(direction, serialization.id, IDS[compression])
      if report[key] < COMPRESSED then
        return ('%s: %d, not %d or more'):format(key, report[key], COMPRESSED)
      end
    end
  end

  -- One cell for all large cases of a compression.
  local function judge_compressed(way, serialization, wire, results, order)
    local wrong, count = {}, {}
    for _, name in ipairs(order) do
      local compression, case = name:match '^(%w+)/(.+)$'
      count[compression] = (count[compression] or 0) + 1
      if results[name] ~= true then
        wrong[compression] = ('%s: %s'):format(case, results[name])
        count[compression] = -#LARGE
      end
    end
    for _, compression in ipairs(COMPRESSIONS) do
      local seen, reason =
        count[compression] == #LARGE or 'no', reason_of(way, serialization, compression)
      if
        seen ~= true
        and reason
        and broken_alone(way, serialization, { '1 MiB' }, compression)['1 MiB']
      then
        seen = { 'Java', ('%s, %s: %s'):format(serialization.name, compression, reason) }
        wrong[compression] = nil
      else
        wrong[compression] = wrong[compression] or was_compressed(wire, serialization, compression)
        seen = wrong[compression] or seen
      end
      compressed:add(('%s, %s'):format(way, serialization.name), compression, seen)
    end
    assert.same({}, wrong)
  end

  for _, serialization in ipairs(SERIALIZATIONS) do
    if not serialization.title then
      it('calls us, compressed, in ' .. serialization.name, function()
        local server = app.serve(probe.server())
        local wire = life.wire { port = server.url:match ':(%d+)' }
        local settings = settings_of(serialization, {
          port = wire.port,
          compress = table.concat(COMPRESSIONS, ','),
        })
        judge_compressed(UP, serialization, wire, java.cases('joyrpc', settings, LARGE))
      end)

      it('is called by us, compressed, in ' .. serialization.name, function()
        local provider = java.provider('joyrpc', { without = serialization.without })
        local wire = life.wire(provider)
        local options = {}
        for i, compression in ipairs(COMPRESSIONS) do
          local more = ("serialization = '%s', compression = '%s'"):format(
            serialization.ours or serialization.wire,
            compression
          )
          options[i] = { prefix = compression .. '/', more = more }
        end
        judge_compressed(DOWN, serialization, wire, call(wire, { options = options, only = LARGE }))
      end)
    end
  end

  -- In the serialization of the session; a wrong token must not do.
  local TOKEN = 'open sesame'

  for _, serialization in ipairs(SERIALIZATIONS) do
    local title = serialization.title or serialization.name
    it('gives us its token in ' .. title, function()
      local server = app.serve(probe.server(("auth = { 'token', token = '%s' }"):format(TOKEN)))
      local settings =
        settings_of(serialization, { port = server.url:match ':(%d+)', token = TOKEN })
      local seen = java.cases('joyrpc', settings, { 'null result' })['null result']
      settings.token = 'shut'
      assert.is_false(pcall(java.cases, 'joyrpc', settings, { 'null result' }))
      types:add(('%s, %s'):format(UP, title), 'token', seen)
      assert.is_true(seen)
    end)

    it('takes our token in ' .. title, function()
      local provider = java.provider('joyrpc', { without = serialization.without, token = TOKEN })
      local function ask(token)
        local more = ("serialization = '%s', auth = { 'token', token = '%s' }"):format(
          serialization.ours or serialization.wire,
          token
        )
        return call(provider, { more = more, only = { 'null result' } })['null result']
      end
      local seen = ask(TOKEN)
      assert.not_equal(true, ask 'shut')
      types:add(('%s, %s'):format(DOWN, title), 'token', seen)
      assert.is_true(seen)
    end)
  end
end)
