-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'

local fountain = perilune.refer { interface = 'demo.Fountain', registry = (...) }

local function times(app, method, n)
  local proxy = perilune.with(fountain, { attachments = { app = app } })
  local passed, last = 0, nil
  for _ = 1, n do
    local result, err = perilune.call(proxy, method)
    passed = passed + (result and 1 or 0)
    last = err or last
  end
  print(('%s, %s: %d of %d'):format(app, method, passed, n), last or '')
end

perilune.main(function()
  times('tourist 1', 'drink', 5)
  times('tourist 2', 'drink', 5)
  times('guard', 'drink', 5)
  times('guard', 'bathe', 4)
  times('tourist 1', 'throw_coin', 5)
  return 0
end)
