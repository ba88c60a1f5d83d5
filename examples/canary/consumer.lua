-- SPDX-License-Identifier: MIT
-- A new version gets a share of the users, always the same ones; large orders stay with the old one;
-- and calls stay in their region while they can.
local perilune = require 'perilune'

local registry = ...

local shop = perilune.refer {
  interface = 'demo.Shop',
  registry = registry,
  selectors = {
    { 'sampling', percent = 20, by = 'version', value = 'v2', key = 'attachment.user' },
    { 'region_first', region = 'eu' },
  },
}

local careful = perilune.refer {
  interface = 'demo.Shop',
  registry = registry,
  selectors = {
    {
      'conditions',
      rules = {
        {
          when = { 'or', { '>=', 'arg.1.amount', 1000 }, { 'exists', 'attachment.careful' } },
          use = { '==', 'node.version', 'v1' },
        },
        { when = { '<', 'arg.1.amount', 1000 }, use = { 'in', 'node.version', { 'v2', 'v3' } } },
      },
    },
  },
}

perilune.main(function()
  perilune.check(perilune.ready(shop, 5000, 3))
  perilune.check(perilune.ready(careful, 5000, 3))
  local canary, moved = 0, 0
  for i = 1, 100 do
    local user = perilune.with(shop, { attachments = { user = 'user ' .. i } })
    local first = perilune.check(user:buy { amount = 1 })
    moved = moved + (first == perilune.check(user:buy { amount = 2 }) and 0 or 1)
    canary = canary + (first == 'v2 in eu' and 1 or 0)
  end
  print(('of 100 users %d see v2, %d of them now and then'):format(canary, moved))
  print('large order:', perilune.check(careful:buy { amount = 5000 }):sub(1, 2))
  print('small order:', perilune.check(careful:buy { amount = 5 }):sub(1, 2))
  return 0
end)
