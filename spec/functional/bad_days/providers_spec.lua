-- SPDX-License-Identifier: MIT
-- Providers that are restarted, killed and frozen again and again under the load of two consumers and
-- three kinds of methods. Short here; `./dev test long` goes on for longer.
local app = require 'spec.support.app'
local child = require 'spec.support.child'
local cjson = require 'cjson'
local eventually = require 'spec.support.eventually'

local LONG = os.getenv 'PERILUNE_LONG' == '1'

local PROVIDER = [[
perilune.export { interface = 'days.Service', registry = 'file://%s', service = {
  now = function(_, n) return n end,
  soon = function(_, n) perilune.sleep(perilune.random(4) - 1) return n end,
  body = function(_, text) return text end,
} }
perilune.listen 'tcp://127.0.0.1:0'
]]

-- 24 callers until the file is gone.
local CONSUMER = [[
local service = perilune.refer { interface = 'days.Service', registry = 'file://%s', %s }
local text = ('x'):rep(20000)
perilune.main(function()
  local ok, failed, live, codes, why = 0, 0, 24, {}, {}
  local function caller(n)
    local i = n
    while true do
      local file = io.open(%q)
      if not file then break end
      file:close()
      i = i + 1
      local kind = i %% 3
      local result, err
      if kind == 0 then
        result, err = service:now(i)
      elseif kind == 1 then
        result, err = service:soon(i)
      else
        result, err = service:body(text)
      end
      if err == nil and result == (kind == 2 and text or i) then
        ok = ok + 1
      else
        failed = failed + 1
        local code = err and (err.code .. ' ' .. tostring(err.outcome)) or 'WRONG'
        codes[code] = (codes[code] or 0) + 1
        why[#why < 10 and #why + 1 or 10] = tostring(err)
        if failed == 1 then print 'FAILED' end
      end
      if i %% 50 == 0 then perilune.sleep(0) end
    end
    live = live - 1
  end
  perilune.check(perilune.ready(service, 5000))
  for i = 1, live do perilune.spawn(caller, i * 1000) end
  while live > 0 do perilune.sleep(5) end
  print('RESULT ' .. require('perilune.core').encode {
    ok = ok, failed = failed, codes = codes, why = why })
end)
]]

local folder, run

local function provider()
  -- A slow machine is not the subject: nothing is refused for waiting.
  local env = { PERILUNE_QUEUE_AGE = '0' }
  return app.serve(PROVIDER:format(folder), { args = { '--workers', '2' }, env = env })
end

local function consumer(options)
  return app.start(CONSUMER:format(folder, options, run))
end

local function answered(server)
  local result = child.read { child.binary(), 'status', server.url, '--json' }
  local ok, status = pcall(cjson.decode, result.output)
  return ok and status.metrics and status.metrics.perilune_calls_answered or 0
end

-- Asking is one call; each consumer has many.
local function wait_until_used(server, limit)
  local first, asked = answered(server), 0
  eventually(function()
    asked = asked + 1
    return answered(server) > first + asked + 200
  end, { what = 'calls on the provider', limit = limit or 20 })
end

local function finish(consumers)
  os.remove(run)
  local results = {}
  for i, process in ipairs(consumers) do
    assert.same({ code = 0 }, process:wait(40))
    results[i] = cjson.decode(process.output:match 'RESULT ([^\n]+)')
    if os.getenv 'PERI_SPEC_LOG' then
      print(cjson.encode(results[i]))
    end
  end
  return results
end

local function none_failed(results)
  for _, result in ipairs(results) do
    assert.equal(0, result.failed, cjson.encode(result))
    assert.is_true(result.ok > 0)
  end
end

-- Only calls whose fate nobody knows.
local function unknown_only(results)
  for _, result in ipairs(results) do
    for code, count in pairs(result.codes) do
      assert.matches(' UNKNOWN$', code, ('%d times; %s'):format(count, cjson.encode(result)))
    end
    assert.is_true(result.ok > 0)
  end
end

local PLAIN = 'timeout = 10000'
local IDEMPOTENT = 'timeout = 10000, retries = 2, idempotent = true'

describe('two consumers', function()
  local first, second

  before_each(function()
    run = app.script('', 'run')
    folder = run:gsub('/run$', '/registry')
    first, second = provider(), provider()
  end)
  after_each(app.stop_all)

  local function both(options)
    local consumers = { consumer(options), consumer(options) }
    wait_until_used(first)
    wait_until_used(second)
    return consumers
  end

  -- Ends the providers in turn, the next one when consumers use what came for the last one.
  local function replace_in_turn(signal, times, ended)
    local servers = { first, second }
    for i = 1, times do
      local which = i % 2 + 1
      servers[which]:kill(signal)
      ended(servers[which]:wait())
      servers[which] = provider()
      wait_until_used(servers[which])
    end
  end

  local function kill_in_turn()
    replace_in_turn('KILL', LONG and 20 or 4, function() end)
  end

  it('see nothing of providers that are restarted in turn', function()
    local consumers = both(PLAIN)
    replace_in_turn('TERM', LONG and 60 or 6, function(status)
      assert.same({ code = 0 }, status)
    end)
    none_failed(finish(consumers))
  end)

  it('see nothing of providers that are killed in turn, if methods are idempotent', function()
    local consumers = both(IDEMPOTENT)
    kill_in_turn()
    none_failed(finish(consumers))
  end)

  it('lose only what was under way when providers are killed', function()
    local consumers = both(PLAIN)
    kill_in_turn()
    unknown_only(finish(consumers))
  end)

  it('go round a frozen provider and come back to it', function()
    local consumers = both 'timeout = 6000, attempt_timeout = 300, retries = 2, idempotent = true'
    for _ = 1, LONG and 5 or 1 do
      first:kill 'STOP'
      for _ = 1, 20 do
        wait_until_used(second)
      end
      first:kill 'CONT'
      wait_until_used(first)
    end
    none_failed(finish(consumers))
  end)

  it('lose only what waits for a frozen provider', function()
    local consumers = both 'timeout = 1000'
    first:kill 'STOP'
    for _, process in ipairs(consumers) do
      process:wait_line 'FAILED'
    end
    wait_until_used(second)
    first:kill 'CONT'
    wait_until_used(first)
    unknown_only(finish(consumers))
  end)
end)
