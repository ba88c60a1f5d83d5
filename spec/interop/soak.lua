-- SPDX-License-Identifier: MIT
-- The soak: a stock consumer -> a relay -> a stock provider under load, while each of them is restarted
-- in turn. Twice at once, with relays in Lua and with relays in Java, in front of the same providers;
-- what fails with ours and not with Java's is ours. `./dev test soak [SECONDS]`.
local app = require 'spec.support.app'
local ffi = require 'ffi'
local java = require 'spec.interop.java'
local life = require 'spec.interop.life'

local RATE = 100 -- calls a second of each consumer
local MILLIS = 10 -- of each call
local CHAINS = { 'lua', 'java' }
local QUIET = { PERILUNE_LOG_LEVEL = 'error' } -- nobody reads their output all the time

local Soak = {}
Soak.__index = Soak

local function now()
  return os.time()
end

local function pause()
  ffi.C.poll(nil, 0, 500)
end

local function say(text, ...)
  io.write(text:format(...), '\n')
  io.flush()
end

-- The URL of both processes of a tier.
local function urls(tier)
  return tier.one.url .. ';' .. tier.two.url
end

local function start_load(soak, chain)
  return life.load(urls(soak.relays[chain]), {
    rate = RATE,
    millis = MILLIS,
    warmup = 0,
    init = 2,
    retries = 1,
    timeout = 5000,
  }) -- stylua: ignore
end

local function relay(soak, chain, name, port)
  local via = urls(soak.providers)
  if chain == 'lua' then
    return life.lua(name, { via = via, port = port, env = QUIET })
  end
  return life.java(name, { via = via, port = port or java.free_port(), retries = 1, init = 2 })
end

local function new(seconds)
  local soak =
    setmetatable({ seconds = seconds, relays = {}, loads = {}, totals = {}, events = {} }, Soak)
  soak.providers = { one = life.java 'a', two = life.java 'b' }
  for _, chain in ipairs(CHAINS) do
    soak.relays[chain] = { one = relay(soak, chain, 'one'), two = relay(soak, chain, 'two') }
    soak.totals[chain] = { calls = 0, answers = 0, failures = 0, failed = {} }
    soak.loads[chain] = start_load(soak, chain)
  end
  return soak
end

-- Adds what a consumer has seen since it was asked last.
local function add(total, seen)
  total.calls, total.answers = total.calls + seen.calls, total.answers + seen.answers
  total.failures = total.failures + seen.failures
  for text, count in pairs(seen.failed) do
    total.failed[text] = (total.failed[text] or 0) + count
  end
end

function Soak:collect()
  local failures = {}
  for _, chain in ipairs(CHAINS) do
    local seen = self.loads[chain]:take()
    add(self.totals[chain], seen)
    failures[chain] = seen.failures
  end
  return failures
end

-- Waits until every route of both chains answers again, at most until the end.
function Soak:settle(till)
  local wanted = {}
  for _, relay_name in ipairs { 'one', 'two' } do
    for _, provider in ipairs { 'a', 'b' } do
      wanted[#wanted + 1] = relay_name .. '>' .. provider
    end
  end
  local failures = { lua = 0, java = 0 }
  local missing
  repeat
    missing = nil
    for _, chain in ipairs(CHAINS) do
      local seen = self.loads[chain]:report()
      for _, route in ipairs(wanted) do
        missing = seen.from[route] == 0 and chain .. ' ' .. route or missing
      end
    end
    pause()
  until not missing or now() >= till
  for chain, count in pairs(self:collect()) do
    failures[chain] = failures[chain] + count
  end
  return failures, missing
end

function Soak:restart(tier, make, name, signal)
  tier[name]:kill(signal)
  tier[name]:wait(60)
  tier[name] = make(tier[name].port)
end

-- What is restarted in turn: name -> how.
local STEPS = {
  {
    'providers, one of two, TERM',
    function(soak)
      soak:restart(soak.providers, function(port)
        return life.java('a', { port = port })
      end, 'one', 'TERM')
    end,
  },
  {
    'relays, one of two, TERM',
    function(soak)
      for _, chain in ipairs(CHAINS) do
        soak:restart(soak.relays[chain], function(port)
          return relay(soak, chain, 'one', port)
        end, 'one', 'TERM')
      end
    end,
  },
  {
    'consumers',
    function(soak)
      for _, chain in ipairs(CHAINS) do
        local old = soak.loads[chain]
        soak.loads[chain] = start_load(soak, chain)
        add(soak.totals[chain], old:stop())
      end
    end,
  },
  {
    'providers, one of two, KILL',
    function(soak)
      soak:restart(soak.providers, function(port)
        return life.java('b', { port = port })
      end, 'two', 'KILL')
    end,
  },
  {
    'relays, one of two, KILL',
    function(soak)
      for _, chain in ipairs(CHAINS) do
        soak:restart(soak.relays[chain], function(port)
          return relay(soak, chain, 'two', port)
        end, 'two', 'KILL')
      end
    end,
  },
} -- stylua: ignore

function Soak:run()
  local began_at = now()
  local till = began_at + self.seconds
  self:settle(till)
  local step, restarts = 0, 0
  -- The shortest run still restarts each once.
  while now() < till or restarts < #STEPS do
    step = step % #STEPS + 1
    local name, act = STEPS[step][1], STEPS[step][2]
    local began = now()
    act(self)
    restarts = restarts + 1
    local last = restarts >= #STEPS and now() >= till
    local failures, missing = self:settle(last and now() or math.max(till, now() + 60))
    say(
      '%4d s  %-30s failed calls: Lua %d, Java %d%s',
      now() - began_at,
      name,
      failures.lua,
      failures.java,
      missing and not last and '  (still no answer from ' .. missing .. ')' or ''
    ) -- stylua: ignore
    self.events[#self.events + 1] = { name = name, seconds = now() - began, failures = failures }
  end
  for _, chain in ipairs(CHAINS) do
    add(self.totals[chain], self.loads[chain]:stop())
  end
  return {
    totals = self.totals,
    events = self.events,
    restarts = restarts,
    seconds = now() - began_at,
  }
end

local function total_of(chain)
  return chain == 'lua' and 'Java to Lua to Java' or 'Java to Java to Java'
end

-- Failures that are not of calls lost with a relay that was killed: those JoyRPC does not repeat.
local function unexplained(total)
  local others = {}
  for text, count in pairs(total.failed) do
    if not text:find('^ChannelClosedException') then
      others[text] = count
    end
  end
  return others
end

local function summary(result)
  say('\n%d restarts in %d s; calls, answers, failures:', result.restarts, result.seconds)
  for _, chain in ipairs(CHAINS) do
    local total = result.totals[chain]
    say('  %s  %8d %8d %6d', total_of(chain), total.calls, total.answers, total.failures)
    for text, count in pairs(total.failed) do
      say('    %d %s', count, text)
    end
  end
end

local M = {}

-- Runs it for about so long and prints what it sees. `others` are failures of the Lua relays' consumer
-- besides the calls that were lost with a relay that was killed, `lost` the number of those.
---@param seconds integer
---@return {totals: table, events: table[], restarts: integer, seconds: integer, others: table, lost: integer}
function M.run(seconds)
  local ok, result = xpcall(function()
    return new(seconds):run()
  end, debug.traceback)
  java.stop_all()
  app.stop_all()
  if not ok then
    error(result, 0)
  end
  summary(result)
  result.others, result.lost = unexplained(result.totals.lua), 0
  for text, count in pairs(result.totals.lua.failed) do
    result.lost = result.lost + (result.others[text] and 0 or count)
  end
  return result
end

-- What it saw, as a section of docs/interop.md.
---@param result table  of run
---@return string
function M.section(result)
  local by_name, order = {}, {}
  for _, event in ipairs(result.events) do
    local row = by_name[event.name]
    if not row then
      row = { times = 0, lua = 0, java = 0 }
      by_name[event.name], order[#order + 1] = row, event.name
    end
    row.times = row.times + 1
    row.lua, row.java = row.lua + event.failures.lua, row.java + event.failures.java
  end
  local out = {
    ('## Soak, %d s\n'):format(result.seconds),
    ('Two stock consumers with %d calls a second each, two relays in Lua, two'):format(RATE),
    'in Java, two stock providers behind all of them; one of two was restarted at a time',
    '(`./dev test soak`). Failed calls:\n',
    '| restarted | times | Java to Lua to Java | Java to Java to Java |',
    '|---|---|---|---|',
  }
  for _, name in ipairs(order) do
    local row = by_name[name]
    out[#out + 1] = ('| %s | %d | %d | %d |'):format(name, row.times, row.lua, row.java)
  end
  out[#out + 1] = ('| all, of %d and %d calls | %d | %d | %d |'):format(
    result.totals.lua.calls,
    result.totals.java.calls,
    result.restarts,
    result.totals.lua.failures,
    result.totals.java.failures
  )
  out[#out + 1] = '\nCalls that a killed relay had accepted fail: JoyRPC does not repeat them.\n'
  return table.concat(out, '\n')
end

return M
