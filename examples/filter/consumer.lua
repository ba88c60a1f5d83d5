-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'
require 'filters'

local parrot = perilune.refer {
  interface = 'demo.Parrot',
  registry = (...),
  filters = { 'remember' },
}

perilune.main(function()
  local ann = perilune.with(parrot, { attachments = { user = 'ann' } })
  for _, words in ipairs { 'hello', 'hello', 'good bye', 'one more' } do
    local result, err = ann:say(words)
    print(result or err)
  end
  return 0
end)
