-- SPDX-License-Identifier: MIT
-- What is wrong is found before anything is open: one line, exit code, nothing half-started.
local app = require 'spec.support.app'
local child = require 'spec.support.child'

local SERVICE = "perilune.export { interface = 'a.B', service = { c = function() end } }\n"

local function refused(process, pattern)
  assert.same({ code = 1 }, process:wait())
  assert.matches(pattern, process.output)
  assert.equal(1, select(2, process.output:gsub('\n', '')), process.output)
end

describe('starting', function()
  after_each(app.stop_all)

  it('refuses a script that cannot be read or parsed', function()
    local result = child.run { child.binary(), 'run', '/nonexistent/app.lua' }
    assert.equal(1, result.code)
    assert.matches('cannot open /nonexistent/app.lua', result.output, 1, true)
    refused(app.start 'this is not Lua', "'=' expected near 'is'")
  end)

  it('refuses a script that declares nothing to do', function()
    refused(app.start '', 'declares nothing to do; give it perilune.listen')
  end)

  it('refuses waiting while loading', function()
    refused(
      app.start 'perilune.sleep(1)',
      'cannot wait while loading; use perilune.main or perilune.start'
    )
  end)

  it('refuses a taken port', function()
    local first = app.serve(SERVICE .. "perilune.listen 'tcp://127.0.0.1:0'")
    local address = first.urls[1]
    refused(
      app.start(SERVICE .. ("perilune.listen '%s'"):format(address)),
      address:match(':(%d+)$') .. '.-in use'
    )
  end)

  it('refuses VMs that declare different things and says what differs', function()
    refused(
      app.start [[
        local name = require('perilune.core').role == 'worker' and 'a.Worker' or 'a.Control'
        perilune.export { interface = name, service = { c = function() end } }
        perilune.listen 'tcp://127.0.0.1:0']],
      'worker 1 declared something else: .-a%.Control.- is missing in it'
    )
  end)

  it('refuses a start function that throws', function()
    local process = app.start(SERVICE .. [[
      perilune.listen 'tcp://127.0.0.1:0'
      perilune.start(function() error('not today') end)]])
    assert.same({ code = 1 }, process:wait())
    assert.matches('not today', process.output)
  end)

  it('compiles nothing while it loads', function()
    local text = 'local function say(where) print(where, (jit.status())) end\n'
      .. "say 'top level'\nperilune.main(function() say 'main' end)"
    local process = app.start(text, { args = { '--workers', '1' } })
    assert.same({ code = 0 }, process:wait())
    assert.matches('top level\tfalse\n', process.output, 1, true)
    assert.is_nil(process.output:find('top level\ttrue', 1, true))
    assert.matches('main\ttrue\n', process.output, 1, true)
  end)

  it('takes settings from flags over environment over file, and refuses wrong ones', function()
    local main = "perilune.main(function() print(require('perilune.core').workers) end)"
    local conf = app.script('return { workers = 2 }', 'conf.lua')
    local function workers(args, env)
      local process = app.start(main, { args = args, env = env })
      process:wait()
      return process.output
    end
    assert.equal('2\n', workers({ '--config', conf }, {}))
    assert.equal('3\n', workers({ '--config', conf }, { PERILUNE_WORKERS = '3' }))
    assert.equal('4\n', workers({ '--config', conf, '--workers', '4' }, { PERILUNE_WORKERS = '3' }))
    assert.matches('PERILUNE_.-workers', workers({}, { PERILUNE_WORKERS = 'many' }))
    local broken = app.script('{"wokers": 2}', 'conf.json')
    assert.matches('conf%.json: .-wokers', workers({ '--config', broken }, {}))
  end)

  it('checks without opening', function()
    local path = app.script(
      "local perilune = require 'perilune'\n" .. SERVICE .. "perilune.listen 'tcp://127.0.0.1:1'"
    )
    local result = child.run { child.binary(), 'check', path }
    assert.equal(0, result.code, result.output)
    assert.matches('a%.B%.c', result.output)
    local bad = app.script "require('perilune').export { interface = 'a.B' }"
    result = child.run { child.binary(), 'check', bad }
    assert.equal(1, result.code)
    assert.matches('app%.lua:1: .-service', result.output)
  end)
end)
