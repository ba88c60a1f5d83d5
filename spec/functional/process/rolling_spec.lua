-- SPDX-License-Identifier: MIT
-- Providers are restarted one after the other under load: no call may fail, although the method is
-- not idempotent.
local app = require 'spec.support.app'
local child = require 'spec.support.child'
local cjson = require 'cjson'
local eventually = require 'spec.support.eventually'

local RESTARTS = 20

local PROVIDER = [[
perilune.export { interface = 'roll.Service', registry = 'file://%s', service = {
  work = function(ctx, n) perilune.sleep(2) return n end,
} }
perilune.listen 'tcp://127.0.0.1:0'
]]

-- Sixteen callers until the file `run` is gone; prints how many calls succeeded and each failure.
local CONSUMER = [[
local service = perilune.refer { interface = 'roll.Service', registry = 'file://%s', timeout = 5000 }
perilune.main(function()
  local succeeded, failed, live = 0, 0, 16
  local function caller(first)
    while io.open(%q) do
      local result, err = service:work(first)
      if err == nil and result == first then
        succeeded = succeeded + 1
      else
        failed = failed + 1
        print('failed:', err, err and err.outcome)
      end
    end
    live = live - 1
  end
  perilune.check(perilune.ready(service, 5000))
  for i = 1, 16 do perilune.spawn(caller, i) end
  while live > 0 do perilune.sleep(5) end
  print(('succeeded %%d failed %%d'):format(succeeded, failed))
end)
]]

local function answered(server)
  local result = child.run { child.binary(), 'status', server.url, '--json' }
  local ok, status = pcall(cjson.decode, result.output)
  return ok and status.metrics and status.metrics.perilune_calls_answered or 0
end

-- Until the consumer uses it; asking counts as a call, too.
local function wait_until_used(server)
  local asked = 0
  eventually(function()
    asked = asked + 1
    return answered(server) > asked + 16
  end, { what = 'calls on the new provider' })
end

describe('a rolling restart', function()
  after_each(app.stop_all)

  it('fails no call', function()
    local run = app.script('', 'run')
    local folder = run:gsub('/run$', '/registry')
    local provider = PROVIDER:format(folder)
    local servers = {}
    for i = 1, 2 do
      servers[i] = app.serve(provider, { args = { '--workers', '2' } })
    end
    local consumer = app.start(CONSUMER:format(folder, run))
    wait_until_used(servers[2])
    for i = 1, RESTARTS do
      local which = i % 2 + 1
      servers[which]:kill 'TERM'
      assert.same({ code = 0 }, servers[which]:wait())
      servers[which] = app.serve(provider, { args = { '--workers', '2' } })
      wait_until_used(servers[which])
    end
    os.remove(run)
    assert.same({ code = 0 }, consumer:wait())
    assert.matches('succeeded %d+ failed 0', consumer.output)
  end)
end)
