-- SPDX-License-Identifier: MIT
-- Keeps what it is told of a user in its own memory: calls of one user should come to one node.
local perilune = require 'perilune'

local name, url, registry = ...
local visits = {}

perilune.export {
  interface = 'demo.Visits',
  service = {
    visit = function(ctx, user)
      visits[user] = (visits[user] or 0) + 1
      return { node = name, visits = visits[user] }
    end,
  },
  registry = registry,
}
perilune.listen(url)
