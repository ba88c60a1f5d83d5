-- SPDX-License-Identifier: MIT
-- One node after the other, from a random start, so that many consumers do not march in step.
return {
  name = 'round_robin',
  new = function()
    local at
    return function(_, _, nodes)
      at = (at or nodes:draw()) + 1
      return nodes[at % #nodes + 1]
    end
  end,
}
