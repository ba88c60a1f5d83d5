-- SPDX-License-Identifier: MIT
-- Providers go away under load: in order, killed, frozen.
local app = require 'spec.support.app'
local load = require 'spec.support.load'

local RESTARTS = 20

describe('under steady load', function()
  local folder, first, second

  before_each(function()
    folder = load.folder()
    first, second = load.provider(folder), load.provider(folder)
  end)
  after_each(app.stop_all)

  it('a rolling restart fails no call, although the method is not idempotent', function()
    local servers = { first, second }
    local steady = load.consumer(folder, 'timeout = 5000')
    load.wait_until_used(second)
    for i = 1, RESTARTS do
      local which = i % 2 + 1
      servers[which]:kill 'TERM'
      assert.same({ code = 0 }, servers[which]:wait())
      servers[which] = load.provider(folder)
      load.wait_until_used(servers[which])
    end
    assert.matches('succeeded %d+ failed 0', load.finish(steady))
  end)

  it('a killed provider fails no idempotent call', function()
    local steady = load.consumer(folder, 'timeout = 5000, retries = 2, idempotent = true')
    load.wait_until_used(first)
    first:kill 'KILL'
    assert.same({ signal = 'KILL' }, first:wait())
    load.wait_until_used(second)
    assert.matches('succeeded %d+ failed 0', load.finish(steady))
  end)

  it('a killed provider fails other calls only as unknown', function()
    local steady = load.consumer(folder, 'timeout = 5000, retries = 2')
    load.wait_until_used(first)
    first:kill 'KILL'
    first:wait()
    load.wait_until_used(second)
    local output = load.finish(steady)
    for line in output:gmatch 'failed:[^\n]+' do
      assert.matches('UNKNOWN$', line)
    end
    assert.matches('succeeded %d+ failed %d', output)
  end)

  it('a frozen provider fails no idempotent call', function()
    local steady = load.consumer(folder, 'timeout = 6000, retries = 2, idempotent = true')
    load.wait_until_used(first)
    first:kill 'STOP'
    load.wait_until_used(second)
    local output = load.finish(steady)
    first:kill 'CONT'
    assert.matches('succeeded %d+ failed 0', output)
  end)
end)
