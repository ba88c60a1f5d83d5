-- SPDX-License-Identifier: MIT
-- What a reload does not let scripts do, and what it tells while it is under way.
local app = require 'spec.support.app'
local child = require 'spec.support.child'
local eventually = require 'spec.support.eventually'

local SERVICE = [[
perilune.export { interface = 'demo.G', service = {
  version = function() return '%s' end,
  release = function() perilune.shared.set('released', true) end,
} }
perilune.listen 'tcp://127.0.0.1:0'
]]

-- A start function that ends when somebody calls `release`.
local HELD = [[
perilune.start(function()
  while not perilune.shared.get 'released' do perilune.sleep(5) end
end)
]]

local function rewrite(server, text)
  local file = assert(io.open(server.path, 'w'))
  file:write("local perilune = require 'perilune'\n", text)
  file:close()
end

local function command(server, name, ...)
  return child.run(
    { child.binary(), name, server.url, ... },
    { env = { PERILUNE_LOG_LEVEL = 'error' } }
  )
end

local function version(server)
  return (app.call(server, 'demo.G.version').output:gsub('\n', ''))
end

describe('a reload', function()
  after_each(app.stop_all)

  it('does not wait for a script that never returns, nor lets it end the process', function()
    local server = app.serve(
      SERVICE:format 'v1',
      { args = { '--workers', '1' }, env = { PERILUNE_LOAD_TIMEOUT = '50' } }
    )
    local cases = {
      { 'while true do end', 'app%.lua:7: still loading after load_timeout = 50 ms' },
      { 'coroutine.wrap(function() while true do end end)()', 'app%.lua:7: still loading' },
      { 'os.exit(0)', 'app%.lua:7: os%.exit while reloading would end the process' },
    }
    for _, case in ipairs(cases) do
      rewrite(server, SERVICE:format 'v2' .. case[1])
      local exit = command(server, 'reload')
      assert.equal(1, exit.code, exit.output)
      assert.matches(case[2], exit.output)
      assert.equal('"v1"', version(server))
    end
    rewrite(server, SERVICE:format 'v3')
    assert.equal(0, command(server, 'reload').code)
    assert.equal('"v3"', version(server))
  end)

  it('does not wait for start functions that never return', function()
    local server = app.serve(
      SERVICE:format 'v1',
      { args = { '--workers', '2' }, env = { PERILUNE_LOAD_TIMEOUT = '50' } }
    )
    local loop = 'function()\nwhile true do end end'
    local task = 'perilune.check(perilune.async(%s):await())'
    local computing = 'app%.lua:8: still computing after load_timeout = 50 ms'
    local cases = {
      { ('perilune.start(%s)'):format(loop), 'perilune%.start: .*' .. computing },
      { 'perilune.start(function() perilune.sleep(1)\nwhile true do end end)', computing },
      { ('perilune.start(function() %s end)'):format(task:format(loop)), computing },
      {
        ("perilune.export { interface = 'demo.W', service = { f = print }, warmup = %s }"):format(
          loop
        ),
        'warm%-up .*' .. computing,
      },
    }
    for _, case in ipairs(cases) do
      rewrite(server, SERVICE:format 'v2' .. case[1])
      local exit = command(server, 'reload')
      assert.equal(1, exit.code, exit.output)
      assert.matches(case[2], exit.output)
      assert.equal('"v1"', version(server))
    end
  end)

  it('that is refused leaves the globals of the scripts that serve', function()
    local text = [[
function helper() return '%s' end
perilune.export { interface = 'demo.G', service = { version = function() return helper() end } }
perilune.listen 'tcp://127.0.0.1:0'
]]
    local server = app.serve(text:format 'v1', { args = { '--workers', '2' } })
    rewrite(server, text:format 'v2' .. "added = 1 perilune.start(function() error 'broken' end)")
    local exit = command(server, 'reload')
    assert.matches('broken', exit.output)
    assert.equal('"v1"', version(server))
    rewrite(server, text:format 'v3' .. 'assert(added == nil) perilune.start(function() end)')
    exit = command(server, 'reload')
    assert.equal(0, exit.code, exit.output)
    assert.equal('"v3"', version(server))
  end)

  it('interrupts what runs for ever before or after it serves, and goes on', function()
    local stop = 'perilune.stop(function()\nwhile true do end end)'
    local server = app.serve(
      SERVICE:format 'v1' .. stop,
      { args = { '--workers', '2' }, env = { PERILUNE_LOAD_TIMEOUT = '50' } }
    )
    rewrite(
      server,
      SERVICE:format 'v2'
        .. 'perilune.start(function() perilune.spawn(function()\nwhile true do end end) end)'
    )
    assert.equal(0, command(server, 'reload').code)
    local told = {}
    for i = 1, 4 do
      told[i] = server:wait_line '"tag":"([%u-]+)","text":"[^"]*app%.lua:8: still computing after'
    end
    assert.same({ 'SCRIPT-ERROR', 'SCRIPT-ERROR', 'STOP', 'STOP' }, told)
    assert.equal('"v2"', version(server))
  end)

  it('is seen in the status, and goes on without who asked for it', function()
    local server = app.serve(SERVICE:format 'v1', { args = { '--workers', '2' } })
    rewrite(server, SERVICE:format 'v2' .. HELD)
    local exit = command(server, 'reload', '--timeout', '400')
    assert.equal(1, exit.code)
    assert.matches('TIMEOUT: not done after 400 ms; it goes on', exit.output)
    assert.matches('a reload is under way for %d+ s', command(server, 'status').output)
    app.call(server, 'demo.G.release')
    eventually(function()
      return version(server) == '"v2"'
    end, { what = 'the reload' })
    eventually(function()
      return not command(server, 'status').output:find('under way', 1, true)
    end, { what = 'its end' })
  end)

  it('is given up by a process that ends, and so is the one that waits', function()
    local server = app.serve(SERVICE:format 'v1', { args = { '--workers', '2' } })
    rewrite(server, SERVICE:format 'v2' .. HELD)
    server:kill 'HUP'
    server:wait_line 'loading generation 2'
    local waits = child.start { child.binary(), 'reload', server.url }
    eventually(function()
      return app.call(server, 'perilune.Admin.fibers').output:find 'wait_while'
    end, { what = 'the second one' })
    server:kill 'TERM'
    local exit = server:wait()
    assert.equal(0, exit.code, server.output)
    waits:stop()
    local _, begun = server.output:gsub('loading generation', '')
    assert.equal(1, begun, server.output)
    assert.matches('nothing has changed: the process is ending', server.output, 1, true)
  end)

  it('tells who asked for it which settings need a restart, and which are about nothing', function()
    local conf = app.script('return { workers = 1, reload_grace = 10 }', 'conf.lua')
    local server = app.serve(SERVICE:format 'v1', { args = { '--config', conf } })
    local file = assert(io.open(conf, 'w'))
    file:write "return { workers = 3, services = { ['demo.Gg'] = { timeout = 9 } } }"
    file:close()
    local exit = command(server, 'reload')
    assert.equal(0, exit.code)
    assert.matches('generation 2 runs', exit.output)
    assert.matches("warning: setting 'workers' needs a restart: 1 stays", exit.output, 1, true)
    local text = "services['demo.Gg'] is about nothing here; did you mean 'demo.G'?"
    assert.matches('warning: ' .. text, exit.output, 1, true)
    exit = command(server, 'reload', '--json')
    assert.matches(('"notes":[%q,"setting \'workers\' needs'):format(text), exit.output, 1, true)
  end)

  it('signals no process that would die of it', function()
    local other = child.start { 'sleep', '60' }
    finally(function()
      other:stop()
    end)
    local exit = child.run { child.binary(), 'reload', '--pid', tostring(other.pid) }
    assert.equal(1, exit.code)
    assert.matches('does not take SIGHUP; is it a perilune?', exit.output, 1, true)
    assert.is_true(other:running())
  end)
end)
