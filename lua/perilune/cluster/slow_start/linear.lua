-- SPDX-License-Identifier: MIT
-- The weight grows evenly from `from` of it to all of it.
--   slow_start = { 'linear', duration = 30000 }
return {
  name = 'linear',
  schema = {
    duration = {
      type = 'number',
      min = 1,
      default = 60000,
      help = 'ms until it has all its weight',
    },
    from = { type = 'number', min = 0, max = 1, default = 0.05, help = 'share it begins with' },
  },
  new = function(conf)
    return function(age, weight)
      return weight * math.min(1, conf.from + (1 - conf.from) * age / conf.duration)
    end
  end,
}
