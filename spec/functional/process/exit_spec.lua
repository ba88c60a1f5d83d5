-- SPDX-License-Identifier: MIT
-- os.exit, wherever a script calls it.
local app = require 'spec.support.app'
local child = require 'spec.support.child'

local SERVICE = [[
perilune.export { interface = 'demo.G', service = {
  leave = function(_, code) os.exit(code) end,
  persist = function(_, code) return pcall(os.exit, code) end,
  slow = function() print 'slow began' perilune.sleep(300) return 'done' end,
  pool = function(_, code) os.exit(code) end,
}, methods = { pool = { executor = 'pool' } } }
perilune.start(function() perilune.state('spec').started = true end)
perilune.stop(function() print(perilune.state('spec').started and 'stopped' or 'never started') end)
perilune.listen 'tcp://127.0.0.1:0'
]]
local ARGS = { args = { '--workers', '2', '--executors', '1' } }

local function run(text)
  local process = app.start(text)
  local exit = process:wait()
  return exit, process.output
end

describe('os.exit', function()
  after_each(app.stop_all)

  it(
    'in a handler lets calls in progress finish, runs stop functions, ends with the code',
    function()
      local cases = {
        { 'leave', '3', 3, 'os.exit%(3%) at %S+app%.lua:3' },
        { 'pool', '4', 4, 'os.exit%(4%) at %S+app%.lua:6' },
        { 'leave', 'false', 1, 'os.exit%(1%)' },
        { 'persist', '9', 9, 'os.exit%(9%)' },
      }
      for _, case in ipairs(cases) do
        local server = app.serve(SERVICE, ARGS)
        local slow = app.begin_call(server, 'demo.G.slow')
        server:wait_line 'slow began'
        local leaves = app.call(server, 'demo.G.' .. case[1], '[' .. case[2] .. ']')
        if case[1] == 'persist' then
          assert.equal('false\n', leaves.output)
        else
          assert.matches('CANCELLED: os.exit%(%d%): the process is ending', leaves.output)
        end
        assert.same({ code = 0 }, slow:wait())
        assert.same({ code = case[3] }, server:wait())
        assert.matches('"EXIT","text":"' .. case[4], server.output)
        local _, stopped = server.output:gsub('stopped', '')
        assert.equal(3, stopped, server.output)
        assert.is_nil(server.output:find 'never started', server.output)
      end
    end
  )

  it('in perilune.main ends a process with that code, and says nothing', function()
    local exit, output = run [[
      perilune.stop(function() print 'stopped' end)
      perilune.main(function() print 'main' os.exit(3) print 'not here' end)
    ]]
    assert.same({ code = 3 }, exit)
    assert.equal('main\nstopped\n', output)
    exit = run 'perilune.main(function() perilune.spawn(os.exit, 5) perilune.sleep(60000) end)'
    assert.same({ code = 5 }, exit)
  end)

  it('in a task, a ticker or a listener is no error', function()
    for _, text in ipairs {
      'perilune.start(function() perilune.spawn(function() perilune.sleep(1) os.exit(3) end) end)',
      'perilune.every(1, function() os.exit(3) end)',
      "perilune.on('process.ready', function() os.exit(3) end)",
    } do
      local exit, output = run(SERVICE .. text)
      assert.same({ code = 3 }, exit)
      assert.is_nil(output:find('"error"', 1, true), output)
    end
  end)

  it('before anything is open ends the process at once, with what was logged', function()
    for _, text in ipairs { '%s', 'perilune.start(function() %s end) perilune.every(1, print)' } do
      for _ = 1, 3 do
        local exit, output = run(text:format "perilune.log.error 'no database' os.exit(3)")
        assert.same({ code = 3 }, exit)
        assert.matches('no database', output)
      end
    end
  end)

  it('ends a reload and not the process', function()
    local server = app.serve(SERVICE, ARGS)
    local file = assert(io.open(server.path, 'w'))
    file:write("local perilune = require 'perilune'\n", SERVICE)
    file:write 'perilune.start(function() perilune.sleep(1) os.exit(3) end)'
    file:close()
    local exit = child.run { child.binary(), 'reload', server.url }
    assert.equal(1, exit.code)
    assert.matches('os.exit while reloading would end the process', exit.output)
    assert.equal('"done"\n', app.call(server, 'demo.G.slow').output)
  end)

  it('ends the repl and the process it is attached to', function()
    local exit = child.run { 'sh', '-c', "echo 'os.exit(4)' | " .. child.binary() .. ' repl' }
    assert.equal(4, exit.code)
    local server = app.serve(SERVICE, ARGS)
    local line = "echo 'os.exit(6)' | %s repl --attach %s --worker 1 --write"
    child.run { 'sh', '-c', line:format(child.binary(), server.url) }
    assert.same({ code = 6 }, server:wait())
  end)
end)
