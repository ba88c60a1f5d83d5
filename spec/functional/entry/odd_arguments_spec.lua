-- SPDX-License-Identifier: MIT
-- Numbers that are none, and names of another type, in the API of scripts.
local app = require 'spec.support.app'

local SCRIPT = [[
local nan, inf = 0 / 0, math.huge
local function refused(what, fn, ...)
  local ok, result, code = pcall(fn, ...)
  print(what, not ok and 'refused: ' .. tostring(result) or tostring(result) .. ' ' .. tostring(code))
end
perilune.main(function()
  local shared, policy = perilune.shared, perilune.policy
  shared.incr('calls', 1)
  refused('incr nan', shared.incr, 'calls', nan)
  refused('incr inf', shared.incr, 'calls', inf)
  refused('limit nan', shared.incr, 'calls', 1, nan)
  shared.incr('calls', 1.5e308)
  refused('sum inf', shared.incr, 'calls', 1.5e308)
  shared.incr('calls', -1.5e308)
  print('calls', shared.get 'calls')
  refused('burst nan', shared.take, 'bucket', 10, nan)
  refused('cost nan', shared.take, 'bucket', 10, 1, nan)
  refused('wait text', shared.take, 'bucket', 10, 1, 1, 'x')
  refused('interval huge', shared.take, 'bucket', 1e308)
  local count = policy.counter 'spec_odd'
  refused('count nan', count, nan)
  refused('count text', count, 'x')
  local future, settle = perilune.future()
  refused('await text', future.await, future, 'x')
  refused('await nan', future.await, future, nan)
  settle(1)
  refused('state nil', perilune.state, nil)
  print('hash', policy.hash(7) == policy.hash '7')
end)
]]

describe('odd arguments', function()
  teardown(app.stop_all)

  it('are refused where they are given, and break nothing for others', function()
    local process = app.start(SCRIPT)
    process:wait()
    local said = {}
    for what, result in process.output:gmatch '([%w ]+)\t([^\n]*)\n' do
      said[what] = result
    end
    for what, result in pairs {
      ['incr nan'] = 'refused: .*a number that can be added is wanted',
      ['incr inf'] = 'refused: .*a number that can be added is wanted',
      ['limit nan'] = 'refused: .*a limit is a number',
      ['sum inf'] = '^nil LIMITED$',
      ['calls'] = '^%d',
      ['burst nan'] = 'refused: perilune.shared.take: burst, cost and max_wait are numbers',
      ['cost nan'] = 'refused: perilune.shared.take: burst',
      ['wait text'] = 'refused: perilune.shared.take: burst',
      ['interval huge'] = '^0 nil$',
      ['count nan'] = 'refused: .*counter spec_odd: a number to add is wanted, got nan',
      ['count text'] = 'refused: .*a number to add is wanted, got x',
      ['await text'] = 'refused: .*future:await: ms are a number, got x',
      ['await nan'] = 'refused: .*future:await: ms are a number, got nan',
      ['state nil'] = 'refused: .*perilune.state: a name is wanted, got a nil',
      ['hash'] = '^true$',
    } do
      assert.truthy((said[what] or ''):find(result), what .. ': ' .. process.output)
    end
  end)
end)
