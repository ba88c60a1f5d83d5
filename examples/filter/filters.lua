-- SPDX-License-Identifier: MIT
-- Filters stand around a call: what comes before `next` happens on the way in, what comes after it on
-- the way out. A filter that does not call `next` answers itself.
local perilune = require 'perilune'

-- A function is the whole plugin.
perilune.filter('shout', function(ctx, call, next)
  local result, err = next(ctx, call)
  return result and result:upper(), err
end)

-- With settings it is a table: `new` makes one filter for each place it is used in.
perilune.filter {
  name = 'quota',
  side = 'provider',
  before = { 'shout' },
  schema = {
    limit = { type = 'integer', min = 1, default = 100, help = 'calls a caller may make' },
  },
  new = function(conf)
    local used = {}
    return function(ctx, call, next)
      local who = call.attachments.user or 'nobody'
      used[who] = (used[who] or 0) + 1
      if used[who] > conf.limit then
        return nil, perilune.error('LIMITED', ('%s has used up %d calls'):format(who, conf.limit))
      end
      ctx.state.user = who -- the handler reads it
      return next(ctx, call)
    end
  end,
}

-- Remembers answers; the same words are not said twice.
perilune.filter('remember', function(ctx, call, next)
  local answers = perilune.state 'answers' -- survives a reload, upvalues do not
  local key = call.method .. ' ' .. tostring(call.args[1])
  if answers[key] then
    return answers[key] .. ' (remembered)'
  end
  local result, err = next(ctx, call)
  if not err then
    answers[key] = result
  end
  return result, err
end)
