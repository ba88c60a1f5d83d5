-- SPDX-License-Identifier: MIT
-- Stops calling what does not work: while a circuit is open, calls fail at once as UNAVAILABLE. One circuit
-- per method, per interface, or per method and node (then around each attempt, so that a router goes on to
-- another node). Circuits survive a reload; perilune.state 'breakers' shows them, the event `breaker.state`
-- and the log tell when one turns.
--
--   breaker = true
--   breaker = { error_ratio = 0.3, min_calls = 10, slow = 200, slow_ratio = 0.5, per = 'node' }
local perilune = require 'perilune'
local window = require 'perilune.entry.breaker.window'

local policy = perilune.policy
local MOST = 4096 -- circuits; beyond it idle ones are forgotten
local IDLE = 600000 -- ms

local CODES = {
  'TIMEOUT',
  'UNAVAILABLE',
  'OVERLOADED',
  'CLOSED',
  'SESSION_LOST',
  'NO_NODE',
  'INTERNAL',
  'SYSTEM',
  'PROTOCOL',
  'DATA_LOSS',
}

-- { circuits = { [key] = state }, count }
local function kept()
  return policy.state('breakers', function()
    return { circuits = {}, count = 0 }
  end)
end

local function forget_idle(all, now)
  for key, state in pairs(all.circuits) do
    if state.state ~= 'open' and now - (state.used or 0) > IDLE then
      all.circuits[key], all.count, state.forgotten = nil, all.count - 1, true
    end
  end
end

-- A table per circuit, or one that nobody keeps when there are too many.
local function circuit(key, call, now)
  local all = kept()
  local state = all.circuits[key]
  if not state then
    state = { interface = call.interface, method = call.method }
    if all.count >= MOST then
      forget_idle(all, now)
    end
    if all.count < MOST then
      all.circuits[key], all.count = state, all.count + 1
    end
  end
  return state
end

local STATES = { closed = true, open = true, half_open = true }

local function tell(state, from, node)
  local to = state.state or 'closed'
  if not STATES[to] then
    state.state = nil
    local text = "the breaker set state.state to '%s'; it is 'closed', 'open' or 'half_open'"
    error(text:format(tostring(to)), 0)
  end
  local fields = { interface = state.interface, method = state.method, from = from, to = to }
  fields.node = node and node.address or nil
  policy.publish('breaker.state', fields)
  policy.log[to == 'open' and 'warn' or 'info']('breaker ' .. to, fields, 'BREAKER')
end

-- What tells the circuits of one declaration apart.
local PARTS = {
  method = function(call)
    return call.method
  end,
  interface = function()
    return ''
  end,
  node = function(call, node)
    return call.method .. '\1' .. (node and node.address or '?') .. '\1' .. call.alias
  end,
}

-- Finds the circuit of a call, without putting its whole name together each time.
local function finder(part_of)
  local mine, count = {}, 0
  return function(call, node, now)
    local part = part_of(call, node)
    local state = mine[part]
    if not state or state.forgotten then
      if count >= MOST then
        mine, count = {}, 0
      end
      state = circuit(('%s\1%s\1%s'):format(call.interface, call.alias, part), call, now)
      mine[part], count = state, count + 1
    end
    state.used = now
    return state
  end
end

-- Of what was thrown: an error that says what it is, as waits raise that were cancelled, or a mistake.
local function thrown_error(thrown)
  return type(thrown) == 'table' and perilune.error_of(thrown) or perilune.error 'INTERNAL'
end

local function outcome_of(err, failures, slow)
  if err ~= nil then
    local code = perilune.error_of(err).code
    if code == 'CANCELLED' then
      return 'none'
    elseif failures[code] then
      return slow and 'failed_slow' or 'failed'
    end
  end
  return slow and 'slow' or 'ok'
end

local function refusal(call, node, later)
  local what = call.interface .. '.' .. call.method
  if node then
    what = what .. ' at ' .. node.address
  end
  return perilune.error(
    'UNAVAILABLE',
    ('%s failed too often; the circuit is open'):format(what),
    { retry_after = later }
  )
end

local schema = {
  slow = { type = 'number', min = 1, help = 'ms from which a call is slow' },
  codes = { type = 'list', default = CODES, items = { type = 'string' }, help = 'that count' },
  per = {
    type = 'string',
    enum = { 'method', 'interface', 'node' },
    default = 'method',
    help = 'what has a circuit of its own',
  },
  breaker = { type = 'any', help = 'a plugin of the point breaker instead of window' },
}
for name, rule in pairs(window.schema) do
  schema[name] = rule
end

local function machine_of(conf)
  local ref = conf.breaker
  if not ref then
    ref = { 'window' }
    for name in pairs(window.schema) do
      ref[name] = conf[name]
    end
  end
  return perilune.use('breaker', ref)
end

return {
  name = 'breaker',
  schema = schema,
  new = function(conf)
    if not conf.breaker and (conf.slow ~= nil) ~= (conf.slow_ratio <= 1) then
      return nil, 'slow (ms) and slow_ratio (such as 0.5) mean something together only'
    end
    local machine, message = machine_of(conf)
    if not machine then
      return nil, message
    end
    local failures, find, slow_ms =
      policy.code_set(conf.codes), finder(PARTS[conf.per]), conf.slow or math.huge
    local refused = perilune.counter 'perilune_breaker_refused'
    local clock, allow, done = policy.clock, machine.allow, machine.done

    local function passed(state, now, node)
      local before = state.state or 'closed'
      local ok, later = allow(state, now)
      if (state.state or 'closed') ~= before then
        tell(state, before, node)
      end
      return ok, later
    end

    return function(ctx, call, next)
      local began = clock()
      local node = conf.per == 'node' and ctx.node or nil
      local state = find(call, node, began)
      local ok, later = passed(state, began, node)
      if not ok then
        refused()
        return nil, refusal(call, node, later)
      end
      local turns = state.turns
      local fine, result, err = pcall(next, ctx, call)
      local now, before = clock(), state.state or 'closed'
      local failure = err
      if not fine then
        failure = thrown_error(result)
      end
      local outcome = outcome_of(failure, failures, now - began >= slow_ms)
      done(state, now, outcome, turns)
      if (state.state or 'closed') ~= before then
        tell(state, before, node)
      end
      if not fine then
        error(result, 0)
      end
      return result, err
    end
  end,
}
