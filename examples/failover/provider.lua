-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'

local name, url, registry = ...
local broken = name == 'broken'

perilune.export {
  interface = 'demo.Bank',
  service = {
    -- A provider that cannot help now says UNAVAILABLE: it did nothing, others may be asked.
    balance = function(ctx, account)
      if broken then
        return nil, perilune.error('UNAVAILABLE', 'the books are being copied')
      end
      return ('%s has 100 (%s)'):format(account, name)
    end,
    -- Here nobody knows whether it happened.
    pay = function(ctx, account)
      if broken then
        perilune.sleep(60000)
      end
      return ('%s paid (%s)'):format(account, name)
    end,
  },
  meta = { name = name },
  registry = registry,
}
perilune.listen(url)
