-- SPDX-License-Identifier: MIT
-- Answers instead of the service: always (tests), or when the call failed (degraded service). A mock that
-- says NO_METHOD has no answer for this call: then the service's stands.
--
--   mock = { results = { price = 100, notes = perilune.null } }          always
--   mock = { mode = 'fail', result = {} }                                when the service does not work
--   methods = { price = { mock = { mode = 'fail', with = function(ctx, call, err) ... end } } }
local perilune = require 'perilune'

local CODES = {
  'TIMEOUT',
  'UNAVAILABLE',
  'OVERLOADED',
  'CLOSED',
  'SHUTDOWN',
  'NO_SERVICE',
  'SESSION_LOST',
  'NO_NODE',
  'LIMITED',
  'INTERNAL',
  'SYSTEM',
}

local function answers_of(conf)
  if conf.with then
    return perilune.use('mock', conf.with)
  end
  return perilune.use('mock', { 'fixed', results = conf.results, result = conf.result })
end

return {
  name = 'mock',
  side = 'both',
  schema = {
    mode = {
      type = 'string',
      enum = { 'always', 'fail' },
      default = 'always',
      help = 'instead of the call, or when it failed',
    },
    results = { type = 'table', help = 'method -> result; a function is called' },
    result = { type = 'any', help = 'of all other methods' },
    with = { type = 'any', help = 'a plugin of the point mock, or function(ctx, call, err)' },
    codes = {
      type = 'list',
      default = CODES,
      items = { type = 'string' },
      help = "failures that mode 'fail' answers for",
    },
  },
  new = function(conf)
    local answer, message = answers_of(conf)
    if not answer then
      return nil, message
    end
    local codes, always = perilune.policy.code_set(conf.codes), conf.mode == 'always'
    local mocked = perilune.counter 'perilune_mocked'

    -- Is there an answer, and which?
    local function try(ctx, call, err)
      local result, wrong = answer(ctx, call, err)
      if wrong ~= nil and perilune.error_of(wrong).code == 'NO_METHOD' then
        return false
      end
      mocked()
      return true, result, wrong
    end

    return function(ctx, call, next)
      if always then
        local answered, result, err = try(ctx, call)
        if answered then
          return result, err
        end
        return next(ctx, call)
      end
      local result, err = next(ctx, call)
      if err ~= nil and codes[perilune.error_of(err).code] then
        local answered, instead, wrong = try(ctx, call, err)
        if answered then
          return instead, wrong
        end
      end
      return result, err
    end
  end,
}
