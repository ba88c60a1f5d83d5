-- SPDX-License-Identifier: MIT
-- Tries the aliases in their order, the next one when a call may be tried again and time is left. An alias
-- none of whose nodes is ready is passed over; while they connect for the first time it gets its share of
-- what is left.
return {
  name = 'failover',
  invoke = function(ctx, _, send, aliases)
    local result, err
    for i, alias in ipairs(aliases) do
      result, err = send(alias, i < #aliases and ctx:left() / (#aliases - i + 1) or nil)
      if err == nil or not err.retryable or ctx:left() <= 0 then
        break
      end
    end
    return result, err
  end,
}
