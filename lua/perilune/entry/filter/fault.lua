-- SPDX-License-Identifier: MIT
-- Makes a share of the calls slow or fail, to see what callers make of it. It ends by itself: after `lasts`
-- ms, or at `ends` (UTC); one of them must be given.
--
--   fault = { delay = 200, percent = 10, lasts = 600000 }
--   fault = { abort = 'UNAVAILABLE', match = { chaos = 'yes' }, ends = '2030-01-31T18:00:00Z' }
local perilune = require 'perilune'
local glob = require 'perilune.entry.glob'

local policy = perilune.policy

-- Days since 1970 of a date of the Gregorian calendar.
local function days_of(year, month, day)
  if month <= 2 then
    year, month = year - 1, month + 12
  end
  local leaps = math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
  return 365 * year + leaps + math.floor((153 * (month - 3) + 2) / 5) + day - 719469
end

-- '2030-01-31T18:00:00Z' in ms since 1970, or nil.
local function time_of(text)
  local date, clock = text:match '^(%d+%-%d+%-%d+)T(%d+:%d+:?%d*)Z$'
  if not date then
    return nil
  end
  local year, month, day = date:match '^(%d%d%d%d)%-(%d%d)%-(%d%d)$'
  local hour, minute, second = clock:match '^(%d%d):(%d%d):?(%d*)$'
  if not year or not hour then
    return nil
  end
  month, day, hour, minute = tonumber(month), tonumber(day), tonumber(hour), tonumber(minute)
  second = tonumber(second) or 0
  if month < 1 or month > 12 or day < 1 or day > 31 or hour > 23 or minute > 59 or second > 60 then
    return nil
  end
  return (((days_of(tonumber(year), month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000
end

-- When it ends, as a function() -> over?; or nil and what is wrong.
local function ending_of(conf)
  if (conf.lasts == nil) == (conf.ends == nil) then
    return nil, "must end by itself: give it either lasts (ms) or ends ('2030-01-31T18:00:00Z')"
  elseif conf.lasts then
    local till = policy.clock() + conf.lasts
    return function()
      return policy.clock() >= till
    end
  end
  local till = time_of(conf.ends)
  if not till then
    return nil, ("ends: '%s' is no time such as '2030-01-31T18:00:00Z'"):format(conf.ends)
  end
  return function()
    return policy.walltime() >= till
  end
end

local function matches(match, attachments)
  for key, want in pairs(match) do
    local value = attachments[key]
    if value == nil or (want ~= true and tostring(value) ~= tostring(want)) then
      return false
    end
  end
  return true
end

return {
  name = 'fault',
  schema = {
    delay = { type = 'number', min = 0, help = 'ms before the call goes on' },
    abort = { type = 'string', help = 'code the call fails with' },
    message = { type = 'string', default = 'injected fault', help = 'of the failure' },
    percent = { type = 'number', min = 0, max = 100, default = 100, help = 'of the calls' },
    methods = { type = 'any', default = '*', help = 'patterns of methods' },
    match = { type = 'table', default = {}, help = 'attachment -> value, or true for any' },
    lasts = { type = 'number', min = 1, help = 'ms from now' },
    ends = { type = 'string', help = 'UTC time' },
  },
  new = function(conf)
    if not conf.delay and not conf.abort then
      return nil, 'says nothing: give it delay or abort'
    elseif conf.abort then
      policy.code_set { conf.abort }
    end
    local over, message = ending_of(conf)
    if not over then
      return nil, message
    end
    local named, wrong = glob.matcher(conf.methods)
    if not named then
      return nil, 'methods: ' .. wrong
    end
    local selective, share = next(conf.match) ~= nil, conf.percent / 100
    local ended, injected = false, perilune.counter 'perilune_faults'

    local function chosen(call)
      return named(call.method)
        and (not selective or matches(conf.match, call.attachments))
        and (share >= 1 or policy.random() < share)
    end

    return function(ctx, call, next)
      if ended or not chosen(call) then
        return next(ctx, call)
      elseif over() then
        ended = true
        policy.log.info('fault injection has ended', { service = call.interface }, 'FAULT')
        return next(ctx, call)
      end
      injected()
      if conf.delay then
        perilune.sleep(conf.delay)
      end
      if conf.abort then
        return nil, perilune.error(conf.abort, conf.message)
      end
      return next(ctx, call)
    end
  end,
}
