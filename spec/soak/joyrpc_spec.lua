-- SPDX-License-Identifier: MIT
-- `./dev test soak [SECONDS]`: see spec/interop/soak.lua.
local java = require 'spec.interop.java'
local matrix = require 'spec.interop.matrix'
local soak = require 'spec.interop.soak'

-- Calls that one killed relay can have had: the threads of its consumer.
local IN_FLIGHT = 64
local LONG = 300 -- seconds, from which on the page tells of it

describe('JoyRPC peers that are restarted in turn', function()
  local why = java.missing()
  if why then
    pending(why)
    return
  end

  it('lose no call that Java alone would not have lost', function()
    local result = soak.run(tonumber(os.getenv 'PERILUNE_SOAK' or 300))
    local kills = 0
    for _, event in ipairs(result.events) do
      kills = kills + (event.name:find 'relays.*KILL' and 1 or 0)
    end
    assert.same({}, result.others)
    assert.is_true(
      result.lost <= kills * IN_FLIGHT,
      result.lost .. ' calls lost with killed relays'
    )
    if result.seconds >= LONG then
      matrix.section('soak', soak.section(result))
    end
  end)
end)
