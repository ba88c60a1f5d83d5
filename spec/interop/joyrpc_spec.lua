-- SPDX-License-Identifier: MIT
-- A stock JoyRPC, 1.4.7, in both directions: every case with each serialization, and what is large
-- enough to be compressed with each of them and each compression.
local app = require 'spec.support.app'
local cases = require 'spec.interop.cases'
local java = require 'spec.interop.java'
local matrix = require 'spec.interop.matrix'
local probe = require 'spec.interop.probe'

local NO_DEFAULT = 'JoyRPC calls a default method on Java 8 only (9 to 13: '
  .. 'UnsupportedOperationException, later NoSuchMethodException: Lookup(Class, int)); '
  .. '$invoke is one. With `java` 8 in the path this says yes'

-- What Java alone cannot do, by serialization and case. Believed only when Java alone fails too.
local BROKEN = {
  hessian = {
    char = 'JoyRPC cannot read a char in Hessian, not even from Java (ClassCastException)',
    ['generic sync'] = NO_DEFAULT,
  },
  json = {
    double = 'Fastjson writes an infinite number as null',
    ['Object that is an object'] = 'Fastjson names no class where Object is declared',
    generic = 'JoyRPC cannot read the arguments of a generic call in JSON',
    ['generic sync'] = NO_DEFAULT,
    lz4f = "JoyRPC's LZ4 frames take no write of more than a block (IndexOutOfBoundsException)",
    async = 'JoyRPC cannot read what a CompletableFuture brought in JSON',
  },
  protostuff = {
    List = 'Protostuff leaves out what is null in a collection',
    cycle = 'JoyRPC writes no end to a cycle in Protostuff (StackOverflowError, a broken frame)',
    ['generic sync'] = NO_DEFAULT,
  },
  jackson = 'beside Jackson, JoyRPC reads no result in JSON that is not an object (joyrpc-all '
    .. 'takes Jackson for id 13 when its jars are there)',
}

-- What a serialization does not have, whoever writes it.
local MISSING = {
  json = { cycle = 'JSON has no references; what Fastjson writes in their place is its own' },
}

-- `without` names jars that are left out: with those of Jackson there, JoyRPC takes it for Fastjson.
local SERIALIZATIONS = {
  { name = 'hessian', ours = 'hessian2', wire = 'hessian' },
  { name = 'protostuff', wire = 'protostuff' },
  { name = 'json', wire = 'json', without = 'jackson' },
  {
    name = 'jackson',
    title = 'json (Jackson)',
    wire = 'json',
    timeout = 2000,
    only = {
      'void',
      'null result',
      'sync',
      'null argument',
      'declared exception',
      'Map',
      'object',
    },
  },
}
local COMPRESSIONS = { 'snappy', 'lz4', 'zlib', 'gzip', 'lzma', 'snappyf', 'lz4f' }
local LARGE = { 'sync', 'null result', '1 MiB', '1 MiB string', 'object' }

-- The settings of a Java process that speaks so.
local function settings_of(serialization, more)
  local settings = {
    serialization = serialization.wire,
    timeout = serialization.timeout,
    without = serialization.without,
  }
  for key, value in pairs(more) do
    settings[key] = value
  end
  return settings
end

-- Java calls Java: those of the cases that fail there too.
local function broken_alone(serialization, names, compression)
  local provider = java.provider('joyrpc', { without = serialization.without })
  local more = { port = provider.port, timeout = 1000, compress = compression }
  local settings = settings_of(serialization, more)
  local results = java.cases('joyrpc', settings, names)
  provider:stop()
  local broken = {}
  for _, name in ipairs(names) do
    broken[name] = results[name] ~= true
  end
  return broken
end

-- What only JoyRPC's providers are asked. The refer sends a trace map.
local MORE = [[
  case('trace', function()
    local parent, err = probe:attachment 'trace:traceparent'
    return err and tostring(err) or not tostring(parent):match '^00%-%x+%-%x+%-01$' and tostring(parent) or nil
  end)
]]

local function call(provider, peer)
  peer.cases = MORE
  peer.scheme, peer.port, peer.watch = 'joyrpc', provider.port, "'demo.joyrpc.Watch'"
  return cases.run(peer)
end

local function reason_of(serialization, name)
  local reasons = BROKEN[serialization.name]
  return type(reasons) == 'string' and reasons or reasons and reasons[name]
end

describe('JoyRPC', function()
  local why = java.missing()
  if why then
    pending(why)
    return
  end
  local types = matrix.new('joyrpc', 'JoyRPC 1.4.7')
  local compressed = matrix.new('joyrpc compressed', 'JoyRPC 1.4.7, compressed')

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
    local broken = #failed > 0 and broken_alone(serialization, failed) or {}
    for _, name in ipairs(order) do
      local seen, reason = results[name], reason_of(serialization, name)
      local missing = (MISSING[serialization.wire] or {})[name]
      if seen ~= true and reason and broken[name] then
        seen = { 'Java', ('%s, %s: %s'):format(serialization.name, name, reason) }
        if type(BROKEN[serialization.name]) == 'string' then
          seen[2] = ('%s: %s'):format(serialization.name, reason)
        end
      elseif seen ~= true and missing then
        seen = { serialization.wire, ('%s, %s: %s'):format(serialization.wire, name, missing) }
      elseif seen ~= true then
        wrong[#wrong + 1] = ('%s: %s'):format(name, seen)
      end
      types:add(('%s, %s'):format(way, serialization.title or serialization.name), name, seen)
    end
    assert.same({}, wrong)
    assert.is_true(#order > 0)
  end

  for _, serialization in ipairs(SERIALIZATIONS) do
    local title = serialization.title or serialization.name
    it('calls us in ' .. title, function()
      local server = app.serve(probe.server 'generic = true, trace = true')
      local settings = settings_of(serialization, { port = server.url:match ':(%d+)' })
      judge('Java to Lua', serialization, java.cases('joyrpc', settings, serialization.only))
    end)

    it('is called by us in ' .. title, function()
      local provider = java.provider('joyrpc', { without = serialization.without })
      local more = ("trace = { joyrpc = true }, serialization = '%s'"):format(
        serialization.ours or serialization.wire
      )
      judge('Lua to Java', serialization, call(provider, { more = more }))
    end)
  end

  -- One cell for all large cases of a compression.
  local function judge_compressed(way, serialization, results, order)
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
        count[compression] == #LARGE or 'no', reason_of(serialization, compression)
      if
        seen ~= true
        and reason
        and broken_alone(serialization, { '1 MiB' }, compression)['1 MiB']
      then
        seen = { 'Java', ('%s, %s: %s'):format(serialization.name, compression, reason) }
        wrong[compression] = nil
      end
      compressed:add(('%s, %s'):format(way, serialization.name), compression, seen)
    end
    assert.same({}, wrong)
  end

  for _, serialization in ipairs(SERIALIZATIONS) do
    if not serialization.only then
      it('calls us, compressed, in ' .. serialization.name, function()
        local server = app.serve(probe.server())
        local settings = settings_of(serialization, {
          port = server.url:match ':(%d+)',
          compress = table.concat(COMPRESSIONS, ','),
        })
        judge_compressed('Java to Lua', serialization, java.cases('joyrpc', settings, LARGE))
      end)

      it('is called by us, compressed, in ' .. serialization.name, function()
        local provider = java.provider('joyrpc', { without = serialization.without })
        local options = {}
        for i, compression in ipairs(COMPRESSIONS) do
          local more = ("serialization = '%s', compression = '%s'"):format(
            serialization.ours or serialization.wire,
            compression
          )
          options[i] = { prefix = compression .. '/', more = more }
        end
        local results, order = call(provider, { options = options, only = LARGE })
        judge_compressed('Lua to Java', serialization, results, order)
      end)
    end
  end

  it('authenticates its sessions with a token', function()
    local server = app.serve(probe.server "auth = { 'token', token = 'open sesame' }")
    local settings = { port = server.url:match ':(%d+)', token = 'open sesame' }
    local results = java.cases('joyrpc', settings, { 'sync' })
    assert.is_true(results.sync)
    types:add('Java to Lua, hessian', 'token', results.sync)
  end)
end)
