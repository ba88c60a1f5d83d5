-- SPDX-License-Identifier: MIT
-- For calls that must not disturb their caller: one attempt; a failure is logged and gives nil (or
-- `result`). A call that was cancelled stays cancelled.
local policy = require 'perilune.policy'

return {
  name = 'failsafe',
  schema = {
    result = { type = 'any', help = 'what a call gives that failed' },
    level = {
      enum = { 'debug', 'info', 'warn', 'error' },
      default = 'warn',
      help = 'of the line in the log',
    },
  },
  new = function(conf)
    local router = {}
    -- Also asked when there was no node to send the call to.
    function router.failed(_, call, err)
      if err.code == 'CANCELLED' then
        return nil, err
      end
      local fields = { interface = call.interface, method = call.method, code = err.code }
      policy.log[conf.level](tostring(err), fields, 'FAILSAFE')
      return conf.result
    end
    function router.route(ctx, call, nodes, send)
      local result, err = send(nodes:pick(ctx, call))
      if err then
        return router.failed(ctx, call, err)
      end
      return result
    end
    return router
  end,
}
