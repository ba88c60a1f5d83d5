-- SPDX-License-Identifier: MIT
-- Thousands of calls that are cancelled, time out or lose their connection at random (seeded): each
-- ends exactly once, and nothing of them is left on either side.
local app = require 'spec.support.app'
local child = require 'spec.support.child'
local cjson = require 'cjson'
local eventually = require 'spec.support.eventually'

local PROVIDER = [[
perilune.export { interface = 'once.Service', service = {
  echo = function(ctx, value) return value end,
  work = function(ctx, value, ms)
    perilune.sleep(ms)
    return value
  end,
  fail = function(ctx) return nil, perilune.error('NOT_FOUND', 'none') end,
  crash = function(ctx) error 'crashed' end,
} }
perilune.listen 'tcp://127.0.0.1:0'
]]

local CONSUMER = [[
local core = require 'perilune.core'
local connections = require 'perilune.cluster.connection'
local futures = require 'perilune.entry.future'

local CALLS, CALLERS = 5000, 50
local seed = %d
-- A generator of our own, so that a seed means the same run everywhere.
local function random(n)
  seed = (seed * 1103515245 + 12345) %% 2147483648
  return math.floor(seed / 65536) %% n + 1
end

local service = perilune.refer { interface = 'once.Service', url = %q, retries = 0,
  timeout = 3000 }
local ends, outcomes, wrong = {}, {}, 0

local function ended(id, result, err, expected)
  ends[id] = (ends[id] or 0) + 1
  local outcome = err and err.code or 'OK'
  outcomes[outcome] = (outcomes[outcome] or 0) + 1
  if not err and result ~= expected then
    wrong = wrong + 1
  end
end

local function disconnect()
  for _, connection in pairs(connections.all()) do
    if connection.conn then
      core.disconnect(connection.conn, 'CLOSED')
    end
  end
end

local function one(id)
  local kind = random(12)
  if kind == 1 then
    local future = perilune.async(service):work(id, random(10))
    perilune.spawn(function()
      perilune.sleep(random(12) - 1)
      future:cancel()
    end)
    local result, err = future:await()
    ended(id, result, err, id)
  elseif kind <= 4 then
    local hasty = perilune.with(service, { timeout = random(6) })
    local result, err = hasty:work(id, random(8))
    ended(id, result, err, id)
  elseif kind == 5 then
    local future = perilune.async(service):work(id, random(10))
    local seen = 0
    future:and_then(function(result, err)
      seen = seen + 1
      if seen > 1 then wrong = wrong + 1 end
    end)
    local _, err = future:await(random(10))
    if err then future:cancel() end
    local result
    result, err = future:await()
    ended(id, result, err, id)
  elseif kind == 6 then
    local both = perilune.async(service)
    local a, b = both:work(id, random(10)), both:work(id, random(10))
    local result, err = perilune.race({ a, b }):await()
    ended(id, result, err, id)
  elseif kind == 7 then
    local _, err = service[random(2) == 1 and 'fail' or 'crash'](service)
    ended(id, nil, err)
  elseif kind == 8 and random(20) == 1 then
    disconnect()
    local result, err = service:echo(id)
    ended(id, result, err, id)
  else
    local result, err = service:echo(id)
    ended(id, result, err, id)
  end
end

perilune.main(function()
  perilune.check(perilune.ready(service, 5000))
  local next_id, live = 0, CALLERS
  for _ = 1, CALLERS do
    perilune.spawn(function()
      while next_id < CALLS do
        next_id = next_id + 1
        one(next_id)
      end
      live = live - 1
    end)
  end
  while live > 0 do perilune.sleep(5) end
  local once = 0
  for id = 1, CALLS do
    once = once + (ends[id] == 1 and 1 or 0)
  end
  -- What was given up is unwound within a few turns; the handlers' answers come late.
  local stats
  for _ = 1, 1000 do
    stats = core.metrics()
    if futures.pending() == 0 and stats.perilune_futures_pending == 0 and #core.fibers() <= %d then
      break
    end
    perilune.sleep(5)
  end
  local parked = {}
  for i, fiber in ipairs(core.fibers()) do
    parked[i] = fiber.wait .. ' ' .. tostring(fiber.traceback):gsub('\n', ' | ')
  end
  print('RESULT ' .. core.encode {
    once = once, wrong = wrong, outcomes = outcomes, lua_pending = futures.pending(),
    pending = stats.perilune_futures_pending, fibers = stats.perilune_fibers, parked = parked,
    late = stats.perilune_replies_late, futures_late = stats.perilune_futures_late,
    timeouts = stats.perilune_futures_timeouts, completed = stats.perilune_futures_completed,
    script_errors = stats.perilune_script_errors,
  })
end)
]]

-- The fiber of main, the connection's keeper.
local KEPT = 3

describe('calls that end badly', function()
  after_each(app.stop_all)

  local function metrics(server)
    local result = child.read { child.binary(), 'status', server.url, '--json' }
    return cjson.decode(result.output).metrics
  end

  for _, seed in ipairs { 1, 20260101, 977 } do
    it('end exactly once, seed ' .. seed, function()
      local server = app.serve(PROVIDER, { args = { '--workers', '2' } })
      local consumer = app.start(CONSUMER:format(seed, server.url, KEPT))
      assert.same({ code = 0 }, consumer:wait(60))
      local result = cjson.decode(consumer.output:match 'RESULT ([^\n]+)')
      assert.equal(5000, result.once)
      assert.equal(0, result.wrong)
      assert.equal(0, result.lua_pending)
      assert.equal(0, result.pending)
      assert.is_true(#result.parked <= KEPT, table.concat(result.parked, '\n'))
      for _, code in ipairs { 'OK', 'TIMEOUT', 'CANCELLED', 'NOT_FOUND', 'INTERNAL' } do
        assert.is_true((result.outcomes[code] or 0) > 0, code .. ' never happened')
      end
      -- Only what somebody gave up can be answered late.
      local given_up = result.timeouts + result.outcomes.CANCELLED + 5000
      assert.is_true(result.late <= given_up)
      local left
      eventually(function()
        left = metrics(server)
        return left.perilune_calls_open <= 1 and left.perilune_connections <= 1
      end, { what = 'the provider at rest' })
      assert.equal(
        left.perilune_calls_arrived,
        left.perilune_calls_answered + left.perilune_calls_open + left.perilune_calls_refused_age
      )
      if os.getenv 'PERI_SPEC_LOG' then
        print(consumer.output:match 'RESULT [^\n]+', cjson.encode(left))
      end
    end)
  end
end)
