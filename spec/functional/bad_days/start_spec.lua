-- SPDX-License-Identifier: MIT
-- What cannot start says why in one line, ends with the right code, and leaves nothing behind: no
-- port file, no entry in a registry, nobody listening.
local app = require 'spec.support.app'
local child = require 'spec.support.child'
local lfs = require 'lfs'

-- Runs the binary to its end with a port file and a registry folder that must stay empty.
local folder, ports

local function entries()
  local found = {}
  if lfs.attributes(folder, 'mode') == 'directory' then
    for name in lfs.dir(folder) do
      found[#found + 1] = name ~= '.' and name ~= '..' and name or nil
    end
  end
  return found
end

local function refused(argv, code, pattern, env)
  env = env or {}
  env.PERILUNE_PORT_FILE = ports
  table.insert(argv, 1, child.binary())
  local result = child.run(argv, { env = env })
  assert.equal(code, result.code, result.output)
  assert.matches(pattern, result.output)
  assert.equal(1, select(2, result.output:gsub('\n', '')), result.output)
  assert.is_nil(lfs.attributes(ports))
  assert.same({}, entries())
end

local function script(listen, more)
  return app.script(([[
local perilune = require 'perilune'
perilune.export {
  interface = 'start.Service', registry = 'file://%s', service = { f = function() end } }
perilune.listen '%s'
%s]]):format(folder, listen or 'tcp://127.0.0.1:0', more or ''))
end

describe('what cannot start', function()
  before_each(function()
    local base = app.script('', 'none')
    folder, ports = base:gsub('none$', 'registry'), base:gsub('none$', 'ports')
  end)
  after_each(app.stop_all)

  it('a taken port', function()
    local first = app.serve [[
      perilune.export { interface = 'first.Service', service = { f = function() end } }
      perilune.listen 'tcp://127.0.0.1:0']]
    refused({ 'run', script(first.urls[1]) }, 1, 'in use')
    assert.equal(0, app.call(first, 'first.Service.f').code)
  end)

  it('the second of two ports', function()
    local first = app.serve [[
      perilune.export { interface = 'first.Service', service = { f = function() end } }
      perilune.listen 'tcp://127.0.0.1:0']]
    local path = script(nil, ("perilune.listen '%s'"):format(first.urls[1]))
    refused({ 'run', path, '--workers', '2' }, 1, 'in use')
  end)

  it('an address that is none', function()
    refused({ 'run', script 'tcp://127.0.0.1' }, 1, '127%.0%.0%.1.-write host:port')
    refused({ 'run', script 'tcp://127.0.0.1:99999' }, 1, '99999')
    refused({ 'run', script 'smoke://1' }, 1, 'smoke')
    refused(
      { 'run', script(nil, 'perilune.listen(22000)') },
      1,
      "listen needs an address such as 'tcp"
    )
    refused({ 'run', script 'tcp://192.0.2.1:4000' }, 1, '192%.0%.2%.1')
  end)

  it('a script that is not there, is a folder, has a syntax error, or throws', function()
    refused({ 'run', '/nonexistent/app.lua' }, 1, '/nonexistent/app%.lua')
    refused({ 'run', '/tmp' }, 1, '/tmp')
    refused({ 'run', script(nil, 'local = 1') }, 1, 'app%.lua:5: ')
    refused({ 'run', script(nil, "error 'not today'") }, 1, 'not today')
    refused({ 'run', script(nil, 'error()') }, 1, 'app%.lua')
    refused({ 'run', script(nil, "perilune.export 'x'") }, 1, 'export')
    refused({ 'run', script(nil, "require 'no.such.module'") }, 1, 'no%.such%.module')
    refused({ 'run', app.script('\27Lua', 'app.lua') }, 1, 'app%.lua')
  end)

  it('a script with a wrong name or value, and says which', function()
    local function referring(option)
      local text = "perilune.refer { interface = 'a.B', url = 'x:1', %s }"
      return { 'run', script(nil, text:format(option)) }
    end
    refused(referring "lodbalance = 'p2c'", 1, 'app%.lua:5: .-lodbalance.-loadbalance')
    refused(referring "timeout = 'soon'", 1, 'app%.lua:5: .-timeout')
    refused(referring "loadbalance = 'p2x'", 1, 'p2x')
  end)

  it('a listener with options that nobody would keep', function()
    local function listening(options)
      return {
        'run',
        script(nil, ("perilune.listen { url = 'tcp://127.0.0.1:0', %s }"):format(options)),
      }
    end
    refused(listening "tls = { cert = 'x' }", 1, "app%.lua:5: .-no setting 'tls': TLS is not there")
    refused(listening "auth = 'token'", 1, "app%.lua:5: .-no setting 'auth': .-perilune%.export")
    refused(
      listening "protocols = { 'jorpc' }",
      1,
      "protocols: 'jorpc' unknown; did you mean 'joyrpc'"
    )
    refused(listening 'protocols = {}', 1, 'protocols must be list of at least 1')
  end)

  it('a consumer whose provider must be there and is not', function()
    local text =
      "perilune.refer { interface = 'a.B', url = '%s', check = true, connect_timeout = %d }"
    local nobody = text:format('joyrpc://127.0.0.1:1', 50)
    refused(
      { 'run', script(nil, nobody), '--workers', '1' },
      1,
      "app%.lua:5: refer 'a%.B': no provider within 50 ms %(check%): .-refused"
    )
    local provider = app.serve [[
      perilune.export { interface = 'a.B', service = { f = function() return 'there' end } }
      perilune.listen 'tcp://127.0.0.1:0']]
    local consumer = app.start(
      ('local other = %s\n'):format(text:format(provider.url, 5000))
        .. 'perilune.main(function() print(#perilune.check(other:f())) end)'
    )
    assert.equal(0, consumer:wait().code, consumer.output)
  end)

  it('a wrong option or value on the command line', function()
    local path = script()
    refused({ 'run', path, '--wokers', '2' }, 2, 'wokers')
    refused({ 'run', path, '--workers', 'many' }, 2, 'many')
    refused({ 'run', path, '--workers', '0' }, 2, 'workers')
    refused({ 'run', path, '--workers', '-1' }, 2, '%-1')
    refused({ 'run', path, '--drain-timeout=-5' }, 2, 'drain')
    refused({ 'run' }, 2, 'script')
    refused({ 'rum', path }, 2, 'rum')
  end)

  it('a wrong setting in the environment or a file', function()
    local path = script()
    refused({ 'run', path }, 2, 'PERILUNE.-many', { PERILUNE_WORKERS = 'many' })
    refused({ 'run', path, '--config', '/nonexistent.lua' }, 2, '/nonexistent%.lua')
    local conf = app.script('return { workers = }', 'conf.lua')
    refused({ 'run', path, '--config', conf }, 2, 'conf%.lua:1')
    conf = app.script('{"workers": "two"}', 'conf.json')
    refused({ 'run', path, '--config', conf }, 2, 'conf%.json: .-workers.-two')
    conf = app.script('os.exit(0)', 'conf.lua')
    refused({ 'run', path, '--config', conf }, 2, 'conf%.lua')
  end)
end)
