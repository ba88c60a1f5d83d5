-- SPDX-License-Identifier: MIT
-- Calls handlers again and again, so that they are compiled before the first caller comes. The ctx they get
-- belongs to no call: it has `side`, `state`, `reply` and `left`, nothing else.
--
--   warmup = { 'repeat_calls', times = 200, calls = { hello = { 'moon' } } }
local perilune = require 'perilune'

local SLICE = 50 -- calls between turns of the loop

local function stub()
  return {
    side = 'provider',
    state = {},
    reply = {},
    warmup = true,
    left = function()
      return 1000
    end,
    cancelled = function() end,
    on_end = function() end,
  }
end

return {
  name = 'repeat_calls',
  schema = {
    times = { type = 'integer', min = 1, max = 100000, default = 100, help = 'each call is made' },
    calls = { type = 'table', required = true, help = 'method -> list of arguments' },
  },
  new = function(conf)
    for method, args in pairs(conf.calls) do
      if type(args) ~= 'table' then
        local text = 'calls.%s must be a list of arguments, got a %s'
        return nil, text:format(tostring(method), type(args))
      end
    end
    return function(service)
      for method, args in pairs(conf.calls) do
        local handler = service.handlers[method]
        if type(handler) ~= 'function' then
          error(("calls names '%s', which the service does not have"):format(method), 0)
        end
        for i = 1, conf.times do
          handler(stub(), unpack(args))
          if i % SLICE == 0 then
            perilune.sleep(0)
          end
        end
      end
    end
  end,
}
