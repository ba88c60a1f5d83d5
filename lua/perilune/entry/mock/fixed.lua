-- SPDX-License-Identifier: MIT
-- Answers with what was written down: `results` by method, else `result`. perilune.null answers nothing.
-- A function is called as function(ctx, call, err). What has no answer goes on to the service.
local perilune = require 'perilune'

local copy = perilune.policy.copy

return {
  name = 'fixed',
  schema = {
    results = { type = 'table', default = {}, help = 'method -> result' },
    result = { type = 'any', help = 'of all other methods' },
  },
  new = function(conf)
    if conf.result == nil and next(conf.results) == nil then
      return nil, 'says nothing: give it result or results'
    end
    return function(ctx, call, err)
      local result = conf.results[call.method]
      if result == nil then
        result = conf.result
      end
      if type(result) == 'function' then
        return result(ctx, call, err)
      elseif result == nil then
        return nil, perilune.error('NO_METHOD', 'no answer is written down')
      elseif result == perilune.null then
        return nil
      end
      return copy(result)
    end
  end,
}
