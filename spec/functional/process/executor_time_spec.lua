-- SPDX-License-Identifier: MIT
local app = require 'spec.support.app'
local child = require 'spec.support.child'

describe('an executor', function()
  it('knows how long a call waited for the one before it', function()
    local path = app.script [[
      local perilune = require 'perilune'
      local shared = perilune.shared
      perilune.export { interface = 'demo.E', executor = 'pool', service = {
        first = function()
          shared.set('begun', 1)
          while not shared.get 'go' do end
        end,
        second = function(ctx) return ctx.waited end,
      } }
      local me = perilune.refer { interface = 'demo.E', inproc = true }
      perilune.main(function()
        local first = perilune.async(me):first()
        while not shared.get 'begun' do perilune.sleep(1) end
        local second = perilune.async(me):second()
        perilune.sleep(1)
        shared.set('go', 1)
        first:await()
        local waited, err = second:await()
        print(err or waited >= 0 and waited < 60000 and 'sane' or waited)
        return 0
      end)]]
    local exit = child.run { child.binary(), 'run', path, '--executors', '1' }
    assert.equal('sane\n', exit.output)
    assert.equal(0, exit.code)
  end)
end)
