-- SPDX-License-Identifier: MIT
-- One attempt; its result is the call's.
return {
  name = 'failfast',
  route = function(ctx, call, nodes, send)
    return send(nodes:pick(ctx, call))
  end,
  again = function(_, _, _, _, _, err)
    return nil, err
  end,
  first = function() end,
}
