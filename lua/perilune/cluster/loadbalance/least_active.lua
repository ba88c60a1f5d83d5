-- SPDX-License-Identifier: MIT
-- The node with the fewest calls in flight for its weight, equals by weight. Exact among `sample` nodes; of more
-- it compares so many drawn at random, so that a choice among thousands costs no more.
return {
  name = 'least_active',
  schema = {
    sample = {
      type = 'integer',
      min = 2,
      max = 100000,
      default = 16,
      help = 'of more nodes so many are compared',
    },
  },
  new = function(conf)
    return function(_, _, nodes)
      return nodes:least(conf.sample)
    end
  end,
}
