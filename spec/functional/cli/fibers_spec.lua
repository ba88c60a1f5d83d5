-- SPDX-License-Identifier: MIT
-- `perilune fibers`: what each parked coroutine of a process waits for.
local app = require 'spec.support.app'
local child = require 'spec.support.child'
local cjson = require 'cjson'
local eventually = require 'spec.support.eventually'

local SERVICE = [[
perilune.export { interface = 'demo.F', methods = { pool = { executor = 'pool' } }, service = {
  sleep = function(_, ms) perilune.sleep(ms) end,
  pool = function(_, ms) perilune.sleep(ms) end,
  future = function() return (perilune.future()):await() end,
  spin = function() while not perilune.shared.get 'go' do end end,
  call = function(_, url)
    return perilune.refer { interface = 'demo.F', url = url }:sleep(20000)
  end,
} }
perilune.listen 'tcp://127.0.0.1:0'
]]

local function fibers(...)
  local exit = child.run { child.binary(), 'fibers', ... }
  assert.equal(0, exit.code, exit.output)
  return exit.output
end

describe('perilune fibers', function()
  after_each(app.stop_all)

  it('tells of every VM what waits for what, and where', function()
    local server = app.serve(SERVICE, { args = { '--workers', '1', '--executors', '1' } })
    for _, call in ipairs {
      { 'sleep', '[20000]' },
      { 'pool', '[20000]' },
      { 'future', '[]' },
      { 'call', '["' .. server.url .. '"]' },
    } do
      app.begin_call(server, 'demo.F.' .. call[1], call[2], '--timeout', '30000')
    end
    local seen
    eventually(function()
      seen = {}
      for _, vm in ipairs(cjson.decode(fibers(server.url, '--json')).vms) do
        for _, fiber in ipairs(vm.fibers) do
          seen[fiber.call or ''] = seen[fiber.call or ''] or fiber
          fiber.vm = vm.vm
        end
      end
      return seen['demo.F.sleep']
        and seen['demo.F.pool']
        and seen['demo.F.future']
        and seen['demo.F.call']
        and seen['demo.F.call'].wait == 'request'
    end, { what = 'four parked handlers' })
    assert.matches('^sleep, %d+ ms left$', seen['demo.F.sleep'].waits_for)
    assert.matches('app.lua:%d+: in function', seen['demo.F.sleep'].traceback)
    assert.equal(1, seen['demo.F.sleep'].generation)
    assert.equal('executor 2', seen['demo.F.pool'].vm)
    assert.matches('^future', seen['demo.F.future'].waits_for)
    assert.matches('^call demo.F.sleep at 127.0.0.1:%d+$', seen['demo.F.call'].waits_for)
    local text = fibers('--pid', tostring(server.pid), '--most', '1')
    assert.matches('executor 2: %d parked', text)
    assert.matches('... and %d more %(%-%-most%)', text)
  end)

  it('names what does not answer because it computes', function()
    local server = app.serve(SERVICE:gsub('pool = {', "spin = { executor = 'pool' }, pool = {"), {
      args = { '--workers', '1', '--executors', '1' },
    })
    app.begin_call(server, 'demo.F.spin', '[]', '--timeout', '30000')
    eventually(function()
      return fibers(server.url):find('executor 2: computes, it did not answer', 1, true)
    end, { what = 'the missing executor' })
  end)

  it('says what is wrong with its arguments', function()
    for _, args in ipairs { {}, { 'joyrpc://127.0.0.1:1', '--pid', '5' }, { 'moon' } } do
      local exit = child.run { child.binary(), 'fibers', unpack(args) }
      assert.equal(2, exit.code, exit.output)
    end
    local exit = child.run { child.binary(), 'fibers', '--pid', '4194304' }
    assert.equal(1, exit.code)
    assert.matches('no process 4194304', exit.output)
  end)
end)
