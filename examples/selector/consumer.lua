-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'
require 'selectors'

local map = perilune.refer {
  interface = 'demo.Map',
  registry = (...),
  selectors = { 'near', 'not_named' },
}

local function ask(title, attachments)
  print(
    ('%-18s %s'):format(
      title,
      perilune.check(perilune.with(map, { attachments = attachments }):where())
    )
  )
end

perilune.main(function()
  perilune.check(perilune.ready(map, 5000, 3)) -- all three are connected
  ask('near asia:', { region = 'asia' })
  ask('near europe:', { region = 'eu' })
  ask('europe, not oslo:', { region = 'eu', avoid = 'oslo' })
  ask('near the moon:', { region = 'moon' })
  local _, err = perilune
    .with(map, { attachments = { region = 'asia', avoid = 'tokyo' }, timeout = 200 })
    :where()
  print(('%-18s %s'):format('asia, not tokyo:', err.code))
  return 0
end)
