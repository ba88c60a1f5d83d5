-- SPDX-License-Identifier: MIT
-- Tries again while the error allows it (`retry_on`), on another node first (`retry_target`).
-- `err.retryable` carries the rule that holds when nothing else is said: an attempt that was not sent
-- or was refused may always be repeated, one whose fate is unknown only if the method is idempotent.
-- `send` takes further attempts from the service's retry budget.
--
-- `attempt_timeout`: milliseconds, a list of them for one attempt after the other, 'share' (what is
-- left divided by the attempts left), 'half' (each half of what is left), or 'left' (all of it).
local retry = require('perilune.policy').retry

return {
  name = 'failover',
  schema = {
    retries = {
      type = 'integer',
      min = 0,
      max = 100,
      default = 1,
      help = 'attempts after the first',
    },
    attempt_timeout = { type = 'any', help = 'of one attempt' },
    retry_on = { type = 'any', help = 'error codes, names of predicates, functions' },
    retry_target = { type = 'any', help = 'where to try again' },
  },
  new = function(conf)
    local router = {}
    local wrong = retry.check_timeout(conf.attempt_timeout)
    local may, message = retry.predicate(conf.retry_on)
    local target, missing = retry.target(conf.retry_target)
    if wrong or not may or not target then
      return nil, wrong or message or missing
    end

    local own_timeout, own_retries = conf.attempt_timeout, conf.retries

    -- `nth` of all attempts.
    local function timeout(ctx, call, nth)
      local value = call.attempt_timeout or own_timeout
      if value or call.idempotent then
        return retry.timeout(ctx, call, value, nth, (call.retries or own_retries) + 1)
      end
    end

    function router.route(ctx, call, nodes, send)
      local node = nodes:pick(ctx, call)
      local result, err = send(node, router.first(ctx, call))
      if not err then
        return result
      end
      return router.again(ctx, call, nodes, send, node, err)
    end

    -- What follows a first attempt on `node` that failed with `err`.
    function router.again(ctx, call, nodes, send, node, err)
      local retries = call.retries or own_retries
      local tried = {}
      for nth = 2, retries + 1 do
        local left = ctx:left()
        if not may(ctx, call, err) or left and left <= 0 then
          break
        end
        tried[#tried + 1] = node
        node = target(ctx, call, nodes, tried)
        local result, failure = send(node, timeout(ctx, call, nth))
        if not failure then
          return result
        end
        err = failure
      end
      return nil, err
    end

    -- Time for the first attempt, nil = all that is left.
    function router.first(ctx, call)
      return timeout(ctx, call, 1)
    end

    -- May a call that ended with `err` be made once more when there are nodes again?
    function router.repeats(ctx, call, err)
      return (call.retries or own_retries) > 0 and may(ctx, call, err)
    end
    return router
  end,
}
