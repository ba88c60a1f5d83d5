-- SPDX-License-Identifier: MIT
-- One attempt; its result is the call's.
return {
  name = 'failfast',
  route = function(ctx, call, nodes, send)
    return send(nodes:pick(ctx, call))
  end,
}
