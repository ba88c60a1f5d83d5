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
  -- A list of three nodes is connected when each of them has answered once.
  local seen, count = {}, 0
  while count < 3 do
    local name = perilune.check(map:where())
    count = count + (seen[name] and 0 or 1)
    seen[name] = true
    perilune.sleep(1)
  end
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
