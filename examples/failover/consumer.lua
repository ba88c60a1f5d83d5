-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'
require 'routers'

local registry = ...

local function bank(router, retries)
  return perilune.refer {
    interface = 'demo.Bank',
    registry = registry,
    router = router,
    retries = retries,
    loadbalance = 'broken_first',
    methods = { balance = { idempotent = true } },
    timeout = 2000,
  }
end

local failover, failfast, twice = bank('failover', 2), bank 'failfast', bank 'twice'

perilune.main(function()
  for _, proxy in ipairs { failover, failfast, twice } do
    perilune.check(perilune.ready(proxy, 5000, 2))
  end
  -- Refused by the first, answered by the second.
  print('failover:', perilune.check(failover:balance 'ann'))
  local _, err = failfast:balance 'ann'
  print('failfast:', err)
  _, err = twice:balance 'ann'
  print('twice:', err or 'answered')
  -- Sent and not answered: may have happened, so it is not sent again.
  _, err = perilune.with(failover, { timeout = 300 }):pay 'ann'
  print('pay:', err.code, err.outcome, 'retryable: ' .. tostring(err.retryable))
  return 0
end)
