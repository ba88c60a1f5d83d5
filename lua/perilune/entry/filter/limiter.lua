-- SPDX-License-Identifier: MIT
-- At most `rate` calls per `period` (ms) and method or caller of an interface, whatever the number of
-- workers. More are refused as LIMITED; `details.retry_after` says when to come back.
--
--   limiter = 100                                           a second, each method
--   limiter = { rate = 10, burst = 20, by = { 'caller' } }  each caller, all methods together
--   limiter = { rate = 50, algorithm = 'leaky_bucket' }     evenly, waiting for the turn
--   limiter = { rules = { { method = 'search', rate = 5 }, { caller = 'shop', rate = 1000 } } }
--
-- Of several rules that fit, the most specific one counts: caller before method before any.
local perilune = require 'perilune'
local glob = require 'perilune.entry.glob'

local BY = { method = 1, caller = 1 }
local KEY = 255 -- bytes of a key of perilune.shared
local MOST = 1e12
local RULE = {
  rate = { type = 'number', min = 1e-6, max = MOST, required = true },
  period = { type = 'number', min = 1, max = MOST },
  burst = { type = 'number', min = 1, max = MOST },
  by = { type = 'list' },
  method = { type = 'any' },
  caller = { type = 'any' },
}

local function check_by(by)
  for _, what in ipairs(by) do
    if not BY[what] then
      return ("by: '%s' is none of caller, method"):format(tostring(what))
    end
  end
end

local function complete(rule, conf, i)
  local made = { rate = rule.rate, by = {}, burst = rule.burst or conf.burst or rule.rate, id = i }
  made.period = rule.period or conf.period
  made.interval = made.period / made.rate
  made.burst = math.max(1, made.burst)
  local by = rule.by or conf.by
  local wrong = check_by(by)
  for _, what in ipairs(by) do
    made.by[what] = true
  end
  made.weight = 0
  for what, weight in pairs { caller = 2, method = 1 } do
    if not wrong and rule[what] ~= nil then
      made[what], wrong = glob.matcher(rule[what])
      made.weight = made.weight + weight
    end
  end
  if wrong then
    return nil, wrong
  end
  return made
end

local function rules_of(conf)
  local rules = {}
  for i, rule in ipairs(conf.rules) do
    local made, wrong = complete(rule, conf, i)
    if not made then
      return nil, ('rules[%d]: %s'):format(i, wrong)
    end
    rules[i] = made
  end
  if conf.rate then
    local made, wrong = complete({ rate = conf.rate }, conf, 0)
    if not made then
      return nil, wrong
    end
    rules[#rules + 1] = made
  end
  if #rules == 0 then
    return nil, 'says nothing: give it a rate or rules'
  end
  table.sort(rules, function(a, b)
    if a.weight ~= b.weight then
      return a.weight > b.weight
    end
    return a.id < b.id
  end)
  return rules
end

local function choose(rules, call, caller)
  for i = 1, #rules do
    local rule = rules[i]
    if
      (not rule.method or rule.method(call.method))
      and (not rule.caller or (caller and rule.caller(caller)))
    then
      return rule
    end
  end
end

-- A process may serve what it calls elsewhere: each side has a limit of its own, unless they have a name.
local function key_of(name, side, rule, call, caller)
  local key = table.concat({
    'limiter',
    name ~= '' and name or table.concat({ side, call.interface, call.alias }, '\1'),
    rule.id,
    rule.rate,
    rule.period,
    rule.by.method and call.method or '',
    rule.by.caller and (caller or '?') or '',
  }, '\1')
  return #key <= KEY and key or 'limiter\1' .. perilune.crypto.sha256(key)
end

-- The key of a call, put together once per rule and method where nothing else tells calls apart.
local function keyring(name, side)
  local kept = {}
  return function(rule, call, caller)
    if rule.by.caller then
      return key_of(name, side, rule, call, caller)
    end
    local keys = kept[rule] or {}
    kept[rule] = keys
    local key = keys[call.method]
    if not key then
      key = key_of(name, side, rule, call)
      keys[call.method] = key
    end
    return key
  end
end

local function refusal(call, rule, later)
  local text = '%s.%s: more than %.17g calls per %.17g ms'
  return perilune.error(
    'LIMITED',
    text:format(call.interface, call.method, rule.rate, rule.period),
    { retry_after = later }
  )
end

return {
  name = 'limiter',
  side = 'both',
  schema = {
    rate = { type = 'number', min = 1e-6, max = MOST, help = 'calls per period' },
    period = { type = 'number', min = 1, max = MOST, default = 1000, help = 'ms' },
    burst = { type = 'number', min = 1, max = MOST, help = 'calls at once; default: rate' },
    by = {
      type = 'list',
      default = { 'method' },
      help = 'what has a limit of its own: method, caller',
    },
    rules = {
      type = 'list',
      default = {},
      items = { type = 'table', fields = RULE },
      help = '{ method, caller, rate, ... }: what fits best holds',
    },
    algorithm = { type = 'any', default = 'token_bucket', help = 'a plugin of the point limiter' },
    identity = { type = 'any', default = 'caller', help = 'a plugin of the point identity' },
    name = { type = 'string', default = '', max = 64, help = 'limits of one name are one limit' },
  },
  new = function(conf, where)
    local rules, message = rules_of(conf)
    if not rules then
      return nil, message
    end
    local limit, wrong = perilune.use('limiter', conf.algorithm)
    if not limit then
      return nil, wrong
    end
    local identify, bad = perilune.use('identity', conf.identity)
    if not identify then
      return nil, bad
    end
    -- Where there is nothing to choose, the loop over the rules would only end a trace.
    local only = #rules == 1 and rules[1].weight == 0 and rules[1]
    local callers = false
    for _, rule in ipairs(rules) do
      callers = callers or rule.caller ~= nil or rule.by.caller or false
    end
    local keys = keyring(conf.name, where and where.side or '')
    local refused = perilune.counter 'perilune_limited'
    return function(ctx, call, next)
      local caller = callers and identify(ctx, call) or nil
      local rule = only or choose(rules, call, caller)
      if rule then
        local wait, later = limit(keys(rule, call, caller), rule, ctx)
        if not wait then
          refused()
          return nil, refusal(call, rule, later)
        elseif type(wait) ~= 'number' or wait ~= wait then
          local text = 'the limiter gave %s; it gives the ms to wait, or nil'
          error(text:format(tostring(wait)), 0)
        elseif wait > 0 then
          perilune.sleep(wait)
        end
      end
      return next(ctx, call)
    end
  end,
}
