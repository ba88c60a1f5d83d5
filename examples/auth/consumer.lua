-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'
require 'filters'

local registry = ...

local function vault(signature)
  return perilune.refer { interface = 'demo.Vault', registry = registry, signature = signature }
end

local owner = vault { key = 'owner', secret = 'the secret of the owner' }
local guard = vault { key = 'guard', secret = 'the secret of the guard' }
local thief = vault { key = 'owner', secret = 'not the secret of the owner' }
local nobody = vault()

perilune.main(function()
  local function show(result, err)
    print(result or err)
  end
  show(owner:take 'gold')
  show(guard:look())
  show(guard:take 'gold')
  show(thief:take 'gold')
  show(nobody:look())

  -- The points behind it work alone, too.
  local authorize = assert(perilune.use('authorizer', 'polite'))
  print(authorize(nil, { attachments = {} }, 'ann'))
  return 0
end)
