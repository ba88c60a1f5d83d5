-- SPDX-License-Identifier: MIT
-- The units of the package, run by a real systemd as they are shipped.
local app = require 'spec.support.app'
local deb = require 'spec.packages.deb'
local eventually = require 'spec.support.eventually'
local machines = require 'spec.packages.machine'

local URL = 'joyrpc://127.0.0.1:22000'

-- What the unit allows and what not, as a handler meets it; %s is what `hello` says.
local SCRIPT = [[
  local perilune = require 'perilune'
  local state = os.getenv 'STATE_DIRECTORY'
  local function exists(name)
    local file = io.open(state .. '/' .. name)
    return file and file:close()
  end
  local function can_write(path)
    local file = io.open(path, 'w')
    return file ~= nil and file:close() and os.remove(path)
  end
  perilune.export { interface = 'demo.Greeter', service = {
    hello = function(_, name) return %q .. name .. (os.getenv 'MARK' or '') end,
    sockets = function() return os.getenv 'LISTEN_FDS' or 'none' end,
    -- Whether code was compiled, and run: the loop is one that stays in its trace.
    compiled = function()
      jit.flush()
      local sum = 0
      for i = 1, 1e5 do sum = sum + i end
      return { jit.status(), require('jit.util').traceinfo(1) ~= nil, sum }
    end,
    bounds = function()
      local status = assert(io.open '/proc/self/status'):read '*a'
      return {
        uid = tonumber(status:match 'Uid:%%s+(%%d+)'),
        privileges = status:match 'NoNewPrivs:%%s+(%%d)',
        calls = status:match 'Seccomp:%%s+(%%d)',
        capabilities = status:match 'CapEff:%%s+(%%x+)',
        writes = {
          state = can_write(state .. '/file'),
          run = can_write(os.getenv 'RUNTIME_DIRECTORY' .. '/file'),
          etc = can_write '/etc/file', usr = can_write '/usr/file', var = can_write '/var/file',
        },
      }
    end,
    held = function()
      io.open(state .. '/begun', 'w'):close()
      while not exists 'go' do perilune.sleep(5) end
      return 'finished'
    end,
  } }
  perilune.listen { url = 'tcp://0.0.0.0:22000' }
]]

describe('under systemd', function()
  local machine, why

  local function systemctl(...)
    local said = machine:run('systemctl', ...)
    assert.equal(0, said.code, said.output)
  end

  local function log_has(words)
    eventually(function()
      local log = machine:run('journalctl', '--no-pager', '-u', 'perilune@one.service').output
      return log:find(words, 1, true)
    end, { what = words })
  end

  local function call(method, ...)
    return machine:run('perilune', 'call', URL, 'demo.Greeter.' .. method, ...)
  end

  local function is(unit, state)
    return machine:get(unit, 'ActiveState') == state
  end

  setup(function()
    machine, why = machines.boot(deb.unpack())
  end)
  teardown(function()
    if machine then
      machine:stop()
    end
    app.stop_all()
  end)
  before_each(function()
    if machine then
      machine:write('/etc/perilune/one.lua', SCRIPT:format 'hello ')
    end
  end)
  after_each(function()
    if machine then
      machine:run('systemctl', 'stop', 'perilune@one.socket', 'perilune@one.service')
    end
  end)

  local function case(what, fn)
    it(what, function()
      if not machine then
        pending(why)
      end
      fn()
    end)
  end

  case('a service is started once it serves', function()
    machine:write('/etc/perilune/one.conf', 'MARK=!\n')
    systemctl('start', 'perilune@one')
    assert.equal('"hello moon!"\n', call('hello', '["moon"]').output)
    assert.equal('main', machine:get('perilune@one', 'NotifyAccess'))
  end)

  case('a service that cannot start has failed, and says why', function()
    machine:write('/etc/perilune/one.lua', 'error "no such luck"')
    assert.not_equal(0, machine:run('systemctl', 'start', 'perilune@one').code)
    assert.equal('exit-code', machine:get('perilune@one', 'Result'))
    log_has 'one.lua:1: no such luck'
  end)

  case('the JIT compiles', function()
    systemctl('start', 'perilune@one')
    assert.equal('[true,true,5000050000]\n', call('compiled').output)
    assert.equal('no', machine:get('perilune@one', 'MemoryDenyWriteExecute'))
  end)

  case('it can do what it needs, and nothing else', function()
    systemctl('start', 'perilune@one')
    local said = call 'bounds'
    local found = require('cjson').decode(said.output)
    assert.is_true(found.uid >= 61184 and found.uid <= 65519, 'a user of its own')
    found.uid = nil
    assert.same({
      privileges = '1', -- no new ones
      calls = '2', -- filtered
      capabilities = '0000000000000400', -- to bind a low port
      writes = { state = true, run = true, etc = false, usr = false, var = false },
    }, found)
  end)

  case('a reload takes the new script and keeps the old one when that is broken', function()
    systemctl('start', 'perilune@one')
    local pid = machine:get('perilune@one', 'MainPID')
    machine:write('/etc/perilune/one.lua', SCRIPT:format 'bye ')
    systemctl('reload', 'perilune@one')
    eventually(function()
      return call('hello', '["moon"]').output == '"bye moon!"\n' and is('perilune@one', 'active')
    end, { what = 'the new script' })
    machine:write('/etc/perilune/one.lua', 'error "not this time"')
    systemctl('reload', 'perilune@one')
    log_has 'one.lua:1: not this time'
    eventually(function()
      return is('perilune@one', 'active')
    end, { what = 'the end of the reload' })
    assert.equal('"bye moon!"\n', call('hello', '["moon"]').output)
    assert.equal(pid, machine:get('perilune@one', 'MainPID'))
  end)

  case('a stop waits for calls in progress', function()
    systemctl('start', 'perilune@one')
    local state = machine.root .. '/var/lib/private/perilune/one/'
    local held =
      machine:start('perilune', 'call', URL, 'demo.Greeter.held', '[]', '--timeout', '60000')
    finally(function()
      held:stop()
    end)
    eventually(function()
      return io.open(state .. 'begun')
    end, { what = 'the call' }):close()
    systemctl('stop', '--no-block', 'perilune@one')
    eventually(function()
      return is('perilune@one', 'deactivating')
    end, { what = 'the stop' })
    assert.not_equal(0, call('hello', '["moon"]', '--timeout', '100').code)
    assert.is_true(is('perilune@one', 'deactivating'))
    machine:write('/var/lib/private/perilune/one/go', '')
    held:wait_line '"finished"'
    eventually(function()
      return is('perilune@one', 'inactive')
    end, { what = 'the end' })
    assert.equal('success', machine:get('perilune@one', 'Result'))
  end)

  case('the watchdog hears from it', function()
    machine:write(
      '/etc/systemd/system/perilune@one.service.d/sooner.conf',
      '[Service]\nWatchdogSec=4\n'
    )
    systemctl('daemon-reload')
    systemctl('start', 'perilune@one')
    local first = machine:get('perilune@one', 'WatchdogTimestampMonotonic')
    eventually(function()
      return machine:get('perilune@one', 'WatchdogTimestampMonotonic') ~= first
    end, { what = 'another WATCHDOG=1' })
  end)

  case('a socket that systemd holds starts it, and outlives it', function()
    systemctl('start', 'perilune@one.socket')
    assert.is_true(is('perilune@one.service', 'inactive'))
    local pids = {}
    for round = 1, 2 do
      assert.equal('"hello moon!"\n', call('hello', '["moon"]').output)
      assert.equal('"1"\n', call('sockets').output)
      pids[round] = machine:get('perilune@one.service', 'MainPID')
      systemctl('stop', 'perilune@one.service')
      assert.is_true(is('perilune@one.socket', 'active'))
    end
    assert.not_equal(pids[1], pids[2])
  end)
end)
