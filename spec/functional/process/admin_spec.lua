-- SPDX-License-Identifier: MIT
-- The service every process serves about itself.
local cjson = require 'cjson'
local child = require 'spec.support.child'
local c = require 'spec.support.c'

describe('perilune.Admin', function()
  local provider, url

  setup(function()
    provider = child.start {
      child.binary(),
      'run',
      '--workers',
      '2',
      c.root .. '/examples/quickstart/provider.lua',
      '--',
      'north',
      'v1',
      'tcp://127.0.0.1:0',
    }
    url = 'joyrpc://' .. provider:wait_line 'serving demo.Greeter:prod on tcp://(127.0.0.1:%d+)'
  end)

  teardown(function()
    provider:kill 'TERM'
    provider:wait()
  end)

  local function call(method, ...)
    local exit = child.run { child.binary(), 'call', url, method, ... }
    assert.equal(0, exit.code, exit.output)
    return exit.output
  end

  it('tells how the process is', function()
    call('demo.Greeter.hello', '["moon"]', '--alias', 'prod')
    local status = cjson.decode(call('perilune.Admin.status', '[]', '--json'))
    assert.equal(2, status.workers)
    assert.equal(provider.pid, status.pid)
    assert.is_true(status.ready)
    assert.same({ 'demo.Greeter:prod' }, status.services)
    assert.truthy(next(status.metrics))
  end)

  it('counts the calls of each method over all workers', function()
    for _ = 1, 3 do
      call('demo.Greeter.hello', '["moon"]', '--alias', 'prod')
    end
    local status = cjson.decode(call('perilune.Admin.status', '[]', '--json'))
    local found
    for _, row in ipairs(status.methods) do
      found = row.method == 'hello' and row or found
    end
    assert.equal('demo.Greeter', found.interface)
    assert.equal('prod', found.alias)
    assert.is_true(found.calls >= 3)
    assert.equal(0, found.errors)
    assert.equal(0, found.active)
    assert.equal('number', type(found.mean_ms))
    assert.is_true(found.p50_ms >= 0)
    assert.is_true(found.p99_ms >= found.p50_ms)
    assert.equal(2, status.figures_of)
  end)

  it('lists the nodes its refers know', function()
    local app = require 'spec.support.app'
    local gate = app.serve(
      ([[
        local greeter = perilune.refer { interface = 'demo.Greeter', alias = 'prod', url = '%s' }
        perilune.export { interface = 'demo.Gate', service = {
          hello = function(_, name) return greeter:hello(name) end,
        } }
        perilune.listen 'tcp://127.0.0.1:0'
      ]]):format(url),
      { args = { '--workers', '1' } }
    )
    assert.equal(0, app.call(gate, 'demo.Gate.hello', '["moon"]').code)
    local exit = child.run { child.binary(), 'status', gate.url }
    app.stop_all()
    assert.equal(0, exit.code, exit.output)
    assert.truthy(exit.output:find 'demo.Gate.hello +1 +0 +0 +0 ', exit.output)
    assert.truthy(exit.output:find '127.0.0.1:%d+ +demo.Greeter:prod +ready +1 +0 +0 ', exit.output)
  end)

  it('tells the filters around a method', function()
    local binary = child.binary()
    local exit = child.run { binary, 'plugins', url, '--chain', 'demo.Greeter' }
    assert.equal(0, exit.code, exit.output)
    assert.truthy(exit.output:find 'hello %(prod%) +handler', exit.output)
    exit = child.run { binary, 'plugins', url, '--chain', 'demo.Nobody' }
    assert.equal(1, exit.code)
    assert.truthy(exit.output:find("does not export 'demo.Nobody'", 1, true), exit.output)
  end)

  it('shows what waits, and where', function()
    local fibers = cjson.decode(call('perilune.Admin.fibers', '[]', '--json'))
    assert.same({}, fibers.missing)
    assert.equal('control', fibers.vms[1].vm)
    for _, vm in ipairs(fibers.vms) do
      for _, fiber in ipairs(vm.fibers) do
        assert.truthy(fiber.waits_for and fiber.traceback and fiber.since_ms)
      end
    end
  end)

  it('is read by perilune status', function()
    local exit = child.run { child.binary(), 'status', url }
    assert.equal(0, exit.code, exit.output)
    assert.truthy(exit.output:find('demo.Greeter:prod', 1, true))
  end)
end)

describe('the service of README.md', function()
  it('runs and answers as it says', function()
    local file = assert(io.open(c.root .. '/README.md'))
    local text = file:read '*a'
    file:close()
    local source = assert(text:match '```lua\n(%-%- greeter%.lua.-)```')
    source = source:gsub('22000', '0')
    local path = os.tmpname()
    file = assert(io.open(path, 'w'))
    file:write(source)
    file:close()
    local process = child.start { child.binary(), 'run', '--workers', '1', path }
    local port = process:wait_line 'serving demo.Greeter:prod on tcp://127.0.0.1:(%d+)'
    local exit = child.run {
      child.binary(),
      'call',
      'joyrpc://127.0.0.1:' .. port,
      'demo.Greeter.hello',
      '["moon"]',
      '--alias',
      'prod',
    }
    process:kill 'TERM'
    process:wait()
    os.remove(path)
    assert.equal(0, exit.code, exit.output)
    assert.truthy(exit.output:find('hello moon', 1, true))
  end)
end)
