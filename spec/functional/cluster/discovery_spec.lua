-- SPDX-License-Identifier: MIT
-- Processes that find each other through a folder: who provides what, who is gone, who may be asked.
local app = require 'spec.support.app'

local PROVIDER = [[
perilune.export {
  interface = 'demo.Greeter', alias = 'prod', registry = os.getenv 'REGISTRY',
  meta = { tag = os.getenv 'TAG' },
  service = { who = function() return os.getenv 'TAG' end },
}
perilune.listen 'tcp://127.0.0.1:0'
]]

-- Calls until `rounds` answers came from each of the tags wanted, prints what it saw.
local CONSUMER = [[
local greeter = perilune.refer {
  interface = 'demo.Greeter', alias = 'prod', registry = os.getenv 'REGISTRY', timeout = 5000,
  selectors = { 'tag' }, methods = { who = { idempotent = true } }, retries = 2,
}
io.stdout:setvbuf 'line'
local red = perilune.with(greeter, { attachments = { tag = 'red' } })

local function both()
  local seen, limit = {}, perilune.clock() + 10000
  while not (seen.red and seen.blue) do
    assert(perilune.clock() < limit, 'both were not seen')
    seen[perilune.check(greeter:who())] = true
    perilune.sleep(1)
  end
end

local function only_blue()
  local row, limit = 0, perilune.clock() + 10000
  while row < 50 do
    assert(perilune.clock() < limit, 'red was still asked')
    row = perilune.check(greeter:who()) == 'blue' and row + 1 or 0
    perilune.sleep(1)
  end
end

perilune.main(function()
  both()
  for _ = 1, 20 do assert(perilune.check(red:who()) == 'red') end
  print 'BOTH'
  only_blue()
  local _, err = red:who()
  print('RED ' .. err.code)
  return 0
end)
]]

describe('cluster/discovery', function()
  local registry
  before_each(function()
    local folder = os.tmpname()
    os.remove(folder)
    registry = folder
  end)
  after_each(function()
    app.stop_all()
    os.execute(("rm -rf '%s'"):format(registry))
  end)

  local function env(tag)
    return { env = { REGISTRY = 'file://' .. registry, TAG = tag } }
  end

  for _, signal in ipairs { 'TERM', 'KILL' } do
    it('finds providers, keeps to tags, and loses no call when one ends by ' .. signal, function()
      app.serve(PROVIDER, env 'blue')
      local red = app.serve(PROVIDER, env 'red')
      local consumer = app.start(CONSUMER, env())
      consumer:wait_line('BOTH', 20)
      red:kill(signal)
      consumer:wait_line('RED NO_NODE', 20)
      assert.same({ code = 0 }, consumer:wait(10))
    end)
  end

  it('says where it looked when nobody is there', function()
    local consumer = app.start(
      [[
perilune.main(function()
  local g = perilune.refer {
    interface = 'demo.Greeter', alias = 'prod', registry = os.getenv 'REGISTRY', timeout = 300,
  }
  local _, err = g:who()
  print(err)
end)]],
      env()
    )
    consumer:wait_line('NO_NODE: nobody provides demo.Greeter %(prod%) in file://', 10)
  end)
end)
