-- SPDX-License-Identifier: MIT
-- Stock Dubbo peers over time: providers that end and come back, connections nobody speaks on, calls
-- that take too long; in both directions.
local app = require 'spec.support.app'
local eventually = require 'spec.support.eventually'
local ffi = require 'ffi'
local java = require 'spec.interop.java'
local matrix = require 'spec.interop.matrix'

local LIMIT = 60 -- seconds

-- 3.x has no fastjson.
local WAYS = { { '2.7' }, { '2.7', 'fastjson', ours = 'json' }, { '3.2' }, { '3.3' } }

local LEAF = [[
perilune.export { interface = 'demo.Probe', alias = 'prod', service = {
  sayHello = function(ctx, text)
    return ('%s %%s %%s %%s'):format(text, ctx.peer, ctx.call.serialization)
  end,
  slow = function(_, ms) perilune.sleep(ms) return 'slept' end,
} }
perilune.listen 'tcp://[::1]:%d'
]]

-- A consumer in Lua that is told by calls what to do.
local CONSUMER = [[
local probe = perilune.refer {
  interface = perilune.interface {
    name = 'demo.Probe',
    methods = {
      sayHello = { 'java.lang.String', returns = 'java.lang.String' },
      slow = { 'int', returns = 'java.lang.String' },
    },
  },
  alias = 'prod', url = '%s', timeout = 5000, idempotent = true, retries = 1, %s
}
local counts = { answers = 0, failures = 0, drains = 0, downs = 0 }
local last
perilune.on('connection.drain', function() counts.drains = counts.drains + 1 end)
perilune.on('connection.down', function() counts.downs = counts.downs + 1 end)
local loading = false
local function load()
  while loading do
    local _, err = probe:sayHello 'load'
    local name = err and 'failures' or 'answers'
    counts[name], last = counts[name] + 1, err and tostring(err) or last
    perilune.sleep(2)
  end
end
perilune.export { interface = 'demo.Control', service = {
  call = function(_, text)
    local result, err = probe:sayHello(text)
    return result or err.code .. ' ' .. err.message
  end,
  slow = function(_, ms)
    local result, err = perilune.with(probe, { timeout = 200 }):slow(ms)
    return result or err.code
  end,
  load = function(_, fibers)
    loading = fibers > 0
    for _ = 1, fibers do perilune.detached(load) end
  end,
  report = function()
    return ('answers=%%d failures=%%d drains=%%d downs=%%d %%s'):format(
      counts.answers, counts.failures, counts.drains, counts.downs, last or '')
  end,
  reset = function() for name in pairs(counts) do counts[name] = 0 end end,
} }
perilune.listen 'tcp://127.0.0.1:0'
]]

describe('Dubbo peers', function()
  local why = java.missing()
  if why then
    pending(why)
    return
  end
  local seen_cases = matrix.new('dubbo-life', 'Dubbo over time')

  after_each(function()
    java.stop_all()
    app.stop_all()
  end)

  teardown(function()
    seen_cases:write(2 * #WAYS)
  end)

  -- A case within a spec; what raises is named in the table.
  local function case(column, name, body)
    local ok, wrong = pcall(body)
    seen_cases:add(column, name, ok or 'failed')
    assert(ok, ('%s: %s'):format(name, tostring(wrong)))
  end

  local function until_seen(cond, what)
    return eventually(cond, {
      what = what,
      limit = LIMIT,
      step = function()
        ffi.C.poll(nil, 0, 100)
      end,
    })
  end

  local function lua_provider(name, port, env)
    local all = { PERILUNE_WORKERS = '1' }
    for key, value in pairs(env or {}) do
      all[key] = value
    end
    local process = app.serve(LEAF:format(name, port or 0), { env = all })
    process.port = tonumber(process.url:match ':(%d+)$')
    process.address = 'dubbo://[::1]:' .. process.port
    return process
  end

  -- What the consumer prints until it has obeyed.
  local function tell(consumer, line)
    local begin = #consumer.output
    consumer:write(line .. '\n')
    consumer:wait_line('done ' .. line:match '^%S+' .. '\n', LIMIT)
    return consumer.output:sub(begin + 1)
  end

  local function report(consumer)
    local seen = { from = {}, failed = {} }
    local text = tell(consumer, 'report')
    for what, count, key in text:gmatch '(%a+) (%d+) ([^\n]*)\n' do
      if seen[what] then
        seen[what][key] = tonumber(count)
      end
    end
    return seen
  end

  local function answered(text)
    return text:match 'answered ([^\n]*)'
  end

  for _, way in ipairs(WAYS) do
    local version, serialization = unpack(way)
    local module = java.DUBBO[version]
    local spoken = table.concat(way, ' ')

    it(spoken .. ' calls us', function()
      local column = 'Java to Lua, ' .. spoken
      local one, two = lua_provider 'one', lua_provider 'two'
      local query = serialization and '?serialization=' .. serialization or ''
      local consumer = java.start(module, 'demo.dubbo.Life', {
        url = one.address .. query .. ';' .. two.address .. query,
        quiet = two.address .. query,
        heartbeat = 1000,
      })
      consumer:wait_line('ready\n', LIMIT)
      local connected = os.time()

      case(column, 'timeout', function()
        local text = tell(consumer, 'slow 30000')
        assert.truthy(text:find 'threw RpcException: .-[Tt]imeout', text)
        assert.matches(way.ours or 'hessian2', answered(tell(consumer, 'call spoken')))
      end)

      case(column, 'offline under load', function()
        tell(consumer, 'load 4')
        until_seen(function()
          local from = report(consumer).from
          return (from.one or 0) > 50 and (from.two or 0) > 50
        end, 'calls to both')
        one:kill 'TERM'
        one:wait()
        tell(consumer, 'reset')
        until_seen(function()
          return (report(consumer).from.two or 0) > 50
        end, 'calls to the other')
        local seen = report(consumer)
        assert.is_nil(seen.from.one)
        assert.same({}, seen.failed)
      end)

      case(column, 'reconnect', function()
        one = lua_provider('one', one.port)
        tell(consumer, 'reset')
        until_seen(function()
          return (report(consumer).from.one or 0) > 20
        end, 'calls to who came back')
        tell(consumer, 'unload')
        assert.same({}, report(consumer).failed)
      end)

      case(column, 'retry after restart', function()
        one:kill 'KILL'
        one:wait()
        one = lua_provider('one', one.port)
        local text
        until_seen(function()
          text = tell(consumer, 'call again')
          return (answered(text) or ''):find '^one'
        end, 'an answer of who was killed')
      end)

      case(column, 'heartbeat', function()
        local first = {}
        for _ = 1, 4 do
          local name, peer = answered(tell(consumer, 'call beat')):match '^(%a+) beat (.*)$'
          first[name] = peer
        end
        local now = os.time()
        until_seen(function()
          return os.time() - now > 3
        end, 'three heartbeats')
        for _ = 1, 4 do
          local name, peer = answered(tell(consumer, 'call beat')):match '^(%a+) beat (.*)$'
          assert.equal(first[name] or peer, peer)
        end
      end)

      case(column, 'silent consumer', function()
        -- Longer than first_byte_timeout.
        until_seen(function()
          return os.time() - connected > 11
        end, 'eleven seconds of silence')
        assert.truthy(answered(tell(consumer, 'quiet')):find '^two quiet')
        assert.falsy(two.output:find 'FIRST%-BYTE')
      end)
    end)

    it(spoken .. ' is called', function()
      local column = 'Lua to Java, ' .. spoken
      -- With it a provider reads nothing else.
      local function provider(port)
        return java.provider(module, { port = port, serialization = serialization })
      end
      local one, two = provider(), provider()
      local urls = ('dubbo://127.0.0.1:%d,dubbo://127.0.0.1:%d'):format(one.port, two.port)
      local refer = way.ours and ("serialization = '%s'"):format(way.ours) or ''
      local consumer = app.serve(CONSUMER:format(urls, refer), {
        env = { PERILUNE_HEARTBEAT_INTERVAL = '1000', PERILUNE_WORKERS = '1' },
      })
      local function control(method, args)
        local output = app.call(consumer, 'demo.Control.' .. method, args).output
        return output
      end
      local function counted()
        local seen = {}
        for name, count in control('report'):gmatch '(%a+)=(%d+)' do
          seen[name] = tonumber(count)
        end
        return seen
      end

      case(column, 'timeout', function()
        assert.truthy(control('slow', '[5000]'):find 'TIMEOUT')
      end)

      case(column, 'heartbeat', function()
        local now, downs = os.time(), counted().downs
        until_seen(function()
          if counted().downs > downs then -- a busy machine, or nobody answers: once more
            now, downs = os.time(), counted().downs
          end
          return os.time() - now > 4
        end, 'four heartbeats that were answered')
        assert.truthy(control('call', '["beat"]'):find 'Hi beat')
      end)

      case(column, 'offline under load', function()
        control('load', '[4]')
        until_seen(function()
          return counted().answers > 100
        end, 'answers')
        one:close_input()
        one:wait(LIMIT)
        control 'reset'
        until_seen(function()
          return counted().answers > 100
        end, 'answers of the other')
        local text = control 'report'
        assert.truthy(text:find 'failures=0', text)
      end)

      case(column, 'reconnect', function()
        one = provider(one.port)
        two:kill 'KILL'
        two:wait()
        until_seen(function()
          control 'reset'
          ffi.C.poll(nil, 0, 200)
          local seen = counted()
          return seen.answers > 20 and seen.failures == 0
        end, 'answers of who came back')
        control('load', '[0]')
      end)

      case(column, 'retry after restart', function()
        one:kill 'KILL'
        one:wait()
        assert.falsy(control('call', '["gone"]'):find 'Hi gone')
        one = provider(one.port)
        until_seen(function()
          return control('call', '["again"]'):find 'Hi again'
        end, 'an answer after the restart')
      end)
    end)
  end
end)
