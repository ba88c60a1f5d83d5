-- SPDX-License-Identifier: MIT
-- Tries the aliases in their order, the next one when a call may be tried again and time is left.
return {
  name = 'failover',
  invoke = function(ctx, _, send, aliases)
    local result, err
    for _, alias in ipairs(aliases) do
      result, err = send(alias)
      if err == nil or not err.retryable or ctx:left() <= 0 then
        break
      end
    end
    return result, err
  end,
}
