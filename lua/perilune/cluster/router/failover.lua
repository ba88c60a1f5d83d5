-- SPDX-License-Identifier: MIT
-- Tries again while the error allows it, on another node first. `err.retryable` carries the rule: an
-- attempt that was not sent or was refused may always be repeated, one whose fate is unknown only if
-- the method is idempotent. `send` takes further attempts from the service's retry budget.

-- What one attempt may take of the time left. A timeout of a method that is not idempotent ends the
-- call anyway, so its attempts get all there is.
local function share(ctx, call, conf, attempts)
  local fixed = call.attempt_timeout or conf.attempt_timeout
  if fixed then
    return fixed
  end
  local left = call.idempotent and attempts > 1 and ctx:left()
  return left and left / attempts or nil
end

local function again(ctx, call, nodes, send, conf, retries, node, err)
  local tried = {}
  local result
  for attempts = retries, 1, -1 do
    tried[node] = true
    local left = ctx:left()
    if left and left <= 0 then
      break
    end
    node = nodes:other(ctx, call, tried)
    result, err = send(node, share(ctx, call, conf, attempts))
    if not err or not err.retryable then
      return result, err
    end
  end
  return nil, err
end

return {
  name = 'failover',
  schema = {
    retries = { type = 'integer', min = 0, max = 100, default = 2 },
    attempt_timeout = { type = 'number', min = 1 },
  },
  new = function(conf)
    local router = { repeats = true }
    function router.route(ctx, call, nodes, send)
      local retries = call.retries or conf.retries
      local node = nodes:pick(ctx, call)
      local result, err = send(node, share(ctx, call, conf, retries + 1))
      if not err then
        return result
      end
      return router.again(ctx, call, nodes, send, node, err)
    end
    -- What follows a first attempt on `node` that failed with `err`.
    function router.again(ctx, call, nodes, send, node, err)
      local retries = call.retries or conf.retries
      if not err.retryable or retries == 0 then
        return nil, err
      end
      return again(ctx, call, nodes, send, conf, retries, node, err)
    end
    -- Time for the first attempt, nil = all that is left.
    function router.first(ctx, call)
      return share(ctx, call, conf, (call.retries or conf.retries) + 1)
    end
    return router
  end,
}
