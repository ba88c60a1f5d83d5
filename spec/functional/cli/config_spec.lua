-- SPDX-License-Identifier: MIT
-- The configuration: layers, sections about single declarations, secrets, what is wrong with it.
local app = require 'spec.support.app'
local c = require 'spec.support.c'
local child = require 'spec.support.child'
local cjson = require 'cjson'

local SCRIPT = [[
local perilune = require 'perilune'
perilune.defaults { timeout = 700 }
perilune.export { interface = 'demo.G', service = {
  who = function() return 'me' end,
  slow = function(_, ms) perilune.sleep(ms) return ms end,
}, methods = { slow = { idempotent = true } } }
local nobody = perilune.refer { interface = 'demo.N', url = 'joyrpc://127.0.0.1:1', retries = 3,
  auth = { 'token', token = 'never shown' } }
perilune.listen 'tcp://127.0.0.1:0'
]]

local function run(...)
  return child.run { child.binary(), ... }
end

local function write(folder, name, text)
  local path = folder .. '/' .. name
  local file = assert(io.open(path, 'w'))
  file:write(text)
  file:close()
  return path
end

describe('configuration', function()
  local script, folder

  before_each(function()
    script = app.script(SCRIPT)
    folder = script:match '^(.*)/'
  end)
  after_each(app.stop_all)

  local function config(text, name)
    return write(folder, name or 'conf.lua', text)
  end

  local function rows(env, ...)
    local exit = child.read({ child.binary(), 'config', script, '--json', ... }, { env = env })
    assert.equal(0, exit.code, exit.errors)
    local found = {}
    for _, row in ipairs(cjson.decode(exit.output)) do
      found[row.option] = row
    end
    return found, exit.output .. exit.errors
  end

  it('says what is in effect and where it came from', function()
    local conf = config [[return {
      queue_age = 33, calls = 5, workers = 2,
      services = { ['demo.G'] = { concurrency = 9, methods = { slow = { timeout = 60 } } } },
      references = { ['demo.N'] = { retries = 7 } },
    }]]
    local found =
      rows({ PERILUNE_CALLS = '6', PERILUNE_WORKERS = '3' }, '--config', conf, '--workers', '4')
    local function is(option, value, from)
      assert.same(value, found[option].value)
      assert.matches(from, found[option].from, 1, false)
    end
    is('workers', 4, '^%-%-workers$')
    is('calls', 6, '^PERILUNE_CALLS$')
    is('queue_age', 33, 'conf%.lua$')
    is('frame_size', 8 * 2 ^ 20, '^default$')
    assert.equal('not set', found.port_file.from)
    is('executors', 0, '^default$')
    is("services['demo.G'].timeout", 700, 'app%.lua:2$')
    is("services['demo.G'].concurrency", 9, '^configuration: services$')
    is("services['demo.G'].methods", { slow = { timeout = 60, idempotent = true } }, 'services$')
    is("references['demo.N'].retries", 7, '^configuration: references$')
    is("references['demo.N'].loadbalance", 'p2c', '^default$')
  end)

  it('keeps secrets in files and to itself', function()
    local secret = write(folder, 'secret', 'hush\n')
    os.execute('chmod 644 ' .. secret)
    local conf = config(([[return { services = {
      ['demo.G'] = { token = { file = %q }, meta = { pin = { file = %q } },
        signature = { keys = { shop = 'never shown to anybody' } } },
    }, references = {
      ['demo.N'] = { registry = 'memory://me:never shown@here?.password=never shown' },
    } }]]):format(secret, secret))
    local _, output = rows(nil, '--config', conf)
    assert.is_nil(output:find('hush', 1, true), output)
    assert.is_nil(output:find('never shown', 1, true), output)
    assert.matches('can be read by everybody', output)
    conf =
      config(([[return { services = { ['demo.G'] = { token = { file = %q } } } }]]):format(secret))
    os.execute('chmod 600 ' .. secret)
    assert.is_nil(select(2, rows(nil, '--config', conf)):find('everybody', 1, true))
    local server = app.serve('', { path = script, args = { '--config', conf } })
    local exit = app.call(server, 'demo.G.who')
    assert.matches('UNAUTHENTICATED', exit.output)
    exit = app.call(server, 'demo.G.who', '[]', '--attach', '.token=hush')
    assert.equal('"me"\n', exit.output)
    conf = config [[return { services = { ['demo.G'] = { token = { file = '/nowhere/x' } } } }]]
    exit = run('check', script, '--config', conf)
    assert.equal(1, exit.code)
    assert.matches('conf%.lua: services%.demo%.G%.token: cannot read the secret', exit.output)
  end)

  it('tells what is wrong with file, key, value and what is allowed', function()
    local function of(options)
      return ("return { services = { ['demo.G'] = %s } }"):format(options)
    end
    for text, message in pairs {
      ['return { queue_aeg = 1 }'] = "conf%.lua: unknown setting 'queue_aeg'; .- 'queue_age'",
      ["return { calls = 'x' }"] = "conf%.lua: calls must be integer from 1 to 16000000, got 'x'",
      ['return 7'] = 'conf%.lua: must be a table',
      ['return {'] = 'conf%.lua:1: ',
      ['return { calls = io.open }'] = "conf%.lua:1: attempt to index global 'io'",
      ['return { calls = function() end }'] = 'calls must not be a function',
      ["return { log_level = 'debug' }"] = 'log_level is read from the environment only',
      ['return { defaults = { timeot = 1 } }'] = "setting 'defaults%.timeot'; .- 'timeout'",
      ['return { defaults = { timeout = -3 } }'] = 'conf%.lua: defaults%.timeout must .- %-3',
      ["return { defaults = { token = { a = 'b' } } }"] = 'token .- %(configuration: defaults%)',
      ["return { references = { ['demo.N'] = { retries = 1000 } } }"] = 'from 0 to 100, got 1000',
      [of '{ timeot = 1 }'] = "services%['demo%.G'%]%.timeot'; did you mean 'timeout'",
      [of '1'] = "services%['demo%.G'%] must be a table of options",
      [of '{ methods = { slow = { timeout = 0 } } }'] = 'methods%.slow%.timeout must be integer',
      [of '{ methods = { none = { timeout = 1 } } }'] = "for 'none'.-%(configuration: services%)",
      [of "{ cluster = 'x' }"] = "services%['demo%.G'%]%.cluster'; that is router here",
      ["return { defaults = { cluster = 'x' } }"] = "'defaults%.cluster'; that is router here",
      [of '{ service = {} }'] = "unknown setting 'services%['demo%.G'%]%.service'",
    } do
      local exit = run('check', script, '--config', config(text))
      assert.equal(1, exit.code, text)
      assert.matches(message, exit.output)
    end
    local exit = run('check', script, '--config', folder .. '/none.lua')
    assert.matches('cannot read the configuration', exit.output)
    exit = run('run', script, '--config', config 'return { calls = 0 }')
    assert.equal(2, exit.code)
    exit = run('check', script, '--config', config('{"calls": 0}', 'conf.json'))
    assert.matches('conf%.json: calls must be integer', exit.output)
  end)

  it('looks at the environment, too', function()
    local function check(env)
      return child.run({ child.binary(), 'check', script }, { env = env })
    end
    local exit = check { PERILUNE_CALLS = 'many' }
    assert.equal(1, exit.code)
    assert.matches("calls must be integer from 1 to 16000000, got 'many'", exit.output)
    exit = check { PERILUNE_LOG_LEVEL = 'loud' }
    assert.equal(1, exit.code)
    assert.matches("log_level must be one of 'debug', 'info'", exit.output)
    exit = check { PERILUNE_QUEUE_AEG = '1', PERILUNE_SERVICE_PORT = '80' }
    assert.equal(0, exit.code)
    assert.matches(
      "'PERILUNE_QUEUE_AEG' is no setting; did you mean 'PERILUNE_QUEUE_AGE'",
      exit.output
    )
    assert.not_matches('SERVICE_PORT', exit.output)
    exit = run('check', script, '--config', config "return { services = { ['demo.H'] = {} } }")
    assert.equal(0, exit.code)
    assert.matches(
      "services%['demo%.H'%] is about nothing here; did you mean 'demo%.G'",
      exit.output
    )
  end)

  it('changes with a reload, where that can be', function()
    local conf =
      config "return { services = { ['demo.G'] = { methods = { slow = { timeout = 5000 } } } } }"
    local server = app.serve('', { path = script, args = { '--config', conf } })
    assert.equal('200\n', app.call(server, 'demo.G.slow', '[200]').output)
    config [[return { workers = 3, calls = 1000, queue_age = 55,
      services = { ['demo.G'] = { methods = { slow = { timeout = 30 } } } } }]]
    assert.equal(0, run('reload', server.url).code)
    server:wait_line "setting 'workers' needs a restart"
    assert.matches('TIMEOUT', app.call(server, 'demo.G.slow', '[200]').output)
    config 'return { queue_age = -1 }'
    local exit = run('reload', server.url)
    assert.equal(1, exit.code)
    assert.matches('queue_age must be integer from 0', exit.output)
    assert.matches('TIMEOUT', app.call(server, 'demo.G.slow', '[200]').output)
  end)

  it('has a reference that is up to date', function()
    local file = assert(io.open(c.root .. '/docs/configuration.md'))
    local text = file:read '*a'
    file:close()
    local exit = run('config', '--reference')
    assert(text == exit.output, 'perilune config --reference >docs/configuration.md')
    assert.is_nil(text:match '\n[^\n]*|  |\n', 'an option does not say what it is for')
  end)
end)

describe('an installation that lacks a Lua module', function()
  after_each(app.stop_all)

  it('says so in one line and ends', function()
    local script =
      app.script('error("module \'argparse\' not found:\\n\\tno field", 0)', 'argparse.lua')
    local path = script:match '^(.*)/' .. '/?.lua'
    local exit = child.run({ child.binary(), 'run', script }, { env = { LUA_PATH = path } })
    assert.equal(1, exit.code, exit.output)
    assert.matches("^perilune: [^\n]-module 'argparse' not found[^\n]*\n$", exit.output)
  end)
end)
