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

  it('shows what waits, and where', function()
    local fibers = cjson.decode(call('perilune.Admin.fibers', '[]', '--json'))
    assert.equal('table', type(fibers))
    for _, fiber in ipairs(fibers) do
      assert.truthy(fiber.wait and fiber.traceback and fiber.since)
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
    local path = os.tmpname() .. '.lua'
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
