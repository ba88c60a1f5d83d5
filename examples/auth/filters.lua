-- SPDX-License-Identifier: MIT
-- An authorizer says whether a call may be made: true, or nil and why not. It may wait, for a service that
-- knows, say. `identity` is what the point of that name found.
local perilune = require 'perilune'

perilune.authorizer('polite', function(_, call, identity)
  if call.attachments.please then
    return true
  end
  return nil, ('%s did not say please'):format(identity)
end)

-- An identity says who calls, or nil.
perilune.identity('by_name', function(_, call)
  return call.attachments.name
end)
