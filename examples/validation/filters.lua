-- SPDX-License-Identifier: MIT
-- A validator gets the arguments and returns what is wrong with them: a list, or nil.
local perilune = require 'perilune'

perilune.validator('different', function(args)
  if args[1] == args[2] then
    return { { field = 'args[2]', message = 'must be another name' } }
  end
end)
