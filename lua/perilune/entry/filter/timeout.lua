-- SPDX-License-Identifier: MIT
-- Says which calls were slow: longer than `slow` ms, or past the caller's deadline. The deadline itself
-- needs no filter; it ends every wait of a call.
--
--   perilune.export { ..., slow = 100 }
local perilune = require 'perilune'

return {
  name = 'timeout',
  side = 'both',
  schema = {
    slow = { type = 'number', min = 0, default = 1000, help = 'ms from which a call is slow' },
  },
  new = function(conf)
    local slow = conf.slow
    return function(ctx, call, next)
      local began = perilune.hrtime()
      local result, err = next(ctx, call)
      local ms = perilune.hrtime() - began
      if ms >= slow then
        perilune.log.warn('slow call', {
          service = call.interface,
          method = call.method,
          ms = ms,
          left = ctx:left(),
          code = err == nil and 'OK' or perilune.error_of(err).code,
        }, 'SLOW-CALL')
      end
      return result, err
    end
  end,
}
