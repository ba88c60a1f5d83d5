-- SPDX-License-Identifier: MIT
-- The same user, the same node: `key` says what of the call counts.
local perilune = require 'perilune'

local visits = perilune.refer {
  interface = 'demo.Visits',
  registry = (...),
  loadbalance = { 'consistent_hash', key = 'arg.1', bound = 1.5 },
}

perilune.main(function()
  perilune.check(perilune.ready(visits, 5000, 3))
  local nodes, strays = {}, 0
  for round = 1, 3 do
    for i = 1, 30 do
      local answer = perilune.check(visits:visit('user ' .. i))
      nodes[answer.node] = true
      strays = strays + (answer.visits == round and 0 or 1)
    end
  end
  local used = 0
  for _ in pairs(nodes) do
    used = used + 1
  end
  print(('30 users on %d nodes, %d visits went astray'):format(used, strays))
  return 0
end)
