-- SPDX-License-Identifier: MIT
-- Power of two choices: draw two nodes at random, take the one that would answer sooner (peak EWMA
-- of its latency times its queue), with odds by weight. Costs the same for any number of nodes and
-- never herds.
return {
  name = 'p2c',
  pick = function(_, _, nodes)
    return nodes:better_of_two()
  end,
}
