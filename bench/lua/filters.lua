-- SPDX-License-Identifier: MIT
-- Five filters that do nothing, for both sides, each a function of its own as in five scripts.

local perilune = require 'perilune'

local NAMES = { 'nothing1', 'nothing2', 'nothing3', 'nothing4', 'nothing5' }

perilune.filter('nothing1', function(ctx, call, next)
  return next(ctx, call)
end)
perilune.filter('nothing2', function(ctx, call, next)
  return next(ctx, call)
end)
perilune.filter('nothing3', function(ctx, call, next)
  return next(ctx, call)
end)
perilune.filter('nothing4', function(ctx, call, next)
  return next(ctx, call)
end)
perilune.filter('nothing5', function(ctx, call, next)
  return next(ctx, call)
end)

---@param count integer how many of them
---@return string[] names
return function(count)
  local names = {}
  for i = 1, count do
    names[i] = NAMES[i]
  end
  return names
end
