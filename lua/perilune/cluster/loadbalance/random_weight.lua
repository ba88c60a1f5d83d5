-- SPDX-License-Identifier: MIT
-- A random node; one with twice the weight is chosen twice as often.
return {
  name = 'random_weight',
  pick = function(_, _, nodes)
    return nodes:weighted()
  end,
}
