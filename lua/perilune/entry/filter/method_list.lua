-- SPDX-License-Identifier: MIT
-- Lets calls pass by the name of their method; '*' in a pattern stands for any characters. What is denied is
-- denied, even when it is allowed, too.
--
--   method_list = { 'get*', 'list*' }               method_list = { deny = { '*Internal' } }
local perilune = require 'perilune'
local glob = require 'perilune.entry.glob'

local function judge_of(conf)
  if not conf.allow and not conf.deny then
    return nil, 'says nothing: give it allow or deny'
  elseif conf.allow and #conf.allow == 0 then
    return nil, 'allow is empty: nothing could be called'
  end
  local deny, message = glob.matcher(conf.deny or {})
  if not deny then
    return nil, 'deny: ' .. message
  end
  local allow, wrong = glob.matcher(conf.allow or { '*' })
  if not allow then
    return nil, 'allow: ' .. wrong
  end
  return function(name)
    return not deny(name) and allow(name)
  end
end

return {
  name = 'method_list',
  side = 'both',
  schema = {
    allow = { type = 'list', help = 'patterns of methods that may be called' },
    deny = { type = 'list', help = 'patterns of methods that may not' },
  },
  new = function(conf)
    local judge, message = judge_of(conf)
    if not judge then
      return nil, message
    end
    return function(ctx, call, next)
      local method = call.method
      if not judge(method) then
        return nil, perilune.error('FORBIDDEN', ("method '%s' is not allowed here"):format(method))
      end
      return next(ctx, call)
    end
  end,
}
