-- SPDX-License-Identifier: MIT
-- State changes of a running process, as its listeners hear of them.
local app = require 'spec.support.app'
local child = require 'spec.support.child'

local PROVIDER = [[
io.stdout:setvbuf 'line'
local perilune = require 'perilune'
for _, family in ipairs { 'registry.*', 'export.*', 'process.*' } do
  perilune.on(family, function(event)
    print(('HEARD %s in %s'):format(event.name, event.worker == 0 and 'control' or 'a worker'))
  end)
end
perilune.on('demo.asked', function(event)
  print(('ASKED %s by %d'):format(event.who, event.worker))
end)
perilune.export {
  interface = 'demo.Greeter', registry = os.getenv 'REGISTRY',
  service = { ask = function(_, who) return perilune.broadcast('demo.asked', { who = who }) end },
}
perilune.listen 'tcp://127.0.0.1:0'
]]

local CONSUMER = [[
io.stdout:setvbuf 'line'
local greeter = perilune.refer { interface = 'demo.Greeter', registry = os.getenv 'REGISTRY' }
for _, family in ipairs { 'registry.*', 'connection.*', 'node.*', 'session.*' } do
  perilune.on(family, function(event)
    print(event.name, event.interface or '-', event.from or event.side or '-', event.to or '-')
  end)
end
perilune.main(function()
  print(perilune.check(greeter:ask 'moon'))
  perilune.sleep(60000)
end)
]]

-- Lines of several threads come in any order.
local function hears(process, text)
  process._seen = 1
  process:wait_line(text)
end

describe('events of a process', function()
  local registry
  before_each(function()
    registry = os.tmpname()
    os.remove(registry)
  end)
  after_each(function()
    app.stop_all()
    os.execute(("rm -rf '%s'"):format(registry))
  end)

  it('reach the listeners where they happen, broadcasts those of every worker', function()
    local env = { REGISTRY = 'file://' .. registry }
    local provider = app.serve(PROVIDER, { env = env, args = { '--workers', '2' } })
    hears(provider, 'HEARD export.opened in a worker')
    hears(provider, 'HEARD registry.listed in control')
    hears(provider, 'HEARD process.ready in control')
    local consumer = app.start(CONSUMER, { env = env })
    hears(consumer, 'registry.changed\tdemo.Greeter')
    hears(consumer, 'node.state\tdemo.Greeter\tidle\tconnecting')
    hears(consumer, 'connection.up')
    hears(consumer, 'session.opened\tdemo.Greeter\tconsumer')
    hears(consumer, 'node.state\tdemo.Greeter\tconnecting\tready')
    for _ = 1, 3 do -- control, worker 1, worker 2
      provider:wait_line 'ASKED moon by %d'
    end
    provider:kill 'TERM'
    hears(provider, 'HEARD process.drain in control')
    hears(provider, 'HEARD registry.unlisted in control')
    hears(consumer, 'session.closed\tdemo.Greeter\tconsumer')
    hears(consumer, 'connection.down')
    assert.equal(0, provider:wait().code)
    for _, name in ipairs { 'process.ready', 'process.drain', 'registry.listed' } do
      local _, heard = provider.output:gsub('HEARD ' .. name:gsub('%.', '%%.'), '')
      assert.equal(1, heard, provider.output)
    end
    consumer:kill 'TERM'
    consumer:wait()
  end)

  it('tell of reloads, each once, those of the generation that serves', function()
    local script = [[
      io.stdout:setvbuf 'line'
      local version = '%s'
      perilune.on('reload.*', function(event)
        print(('%%s hears %%s %%d %%s'):format(version, event.name, event.generation, event.message or ''))
      end)
      perilune.export { interface = 'demo.G', service = { version = function() return version end } }
      perilune.listen 'tcp://127.0.0.1:0'
    ]]
    local server = app.serve(script:format 'v1', { args = { '--workers', '2' } })
    local function reload(text)
      local file = assert(io.open(server.path, 'w'))
      file:write("local perilune = require 'perilune'\n", text)
      file:close()
      return child.run({ child.binary(), 'reload', server.url }).code
    end
    assert.equal(1, reload "error 'on purpose'")
    hears(server, 'v1 hears reload.begun 2')
    hears(server, 'v1 hears reload.failed 2 [^\n]*on purpose')
    assert.equal(0, reload(script:format 'v2'))
    hears(server, 'v1 hears reload.begun 2 \n.*v1 hears reload.begun 2 \n')
    hears(server, 'v2 hears reload.done 2')
    assert.equal(0, reload(script:format 'v3'))
    hears(server, 'v2 hears reload.begun 3')
    hears(server, 'v3 hears reload.done 3')
    server:kill 'TERM'
    server:wait()
    local _, heard = server.output:gsub('hears reload', '')
    assert.equal(6, heard, server.output)
  end)
end)
