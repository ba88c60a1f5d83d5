-- SPDX-License-Identifier: MIT
-- Reloading a process that serves: what changes, what stays, what is refused.
local app = require 'spec.support.app'
local child = require 'spec.support.child'
local cjson = require 'cjson'
local eventually = require 'spec.support.eventually'

local SERVICE = [[
perilune.export { interface = 'demo.G', service = {
  version = function() return '%s' end,
  slow = function(_, ms) perilune.sleep(ms) return '%s' end,
  held = function()
    while not perilune.shared.get 'released' do perilune.sleep(5) end
    return '%s'
  end,
  release = function() perilune.shared.set('released', true) end,
} }
perilune.listen 'tcp://127.0.0.1:0'
]]

local function service(version, more)
  return SERVICE:format(version, version, version) .. (more or '')
end

local function rewrite(server, text)
  local file = assert(io.open(server.path, 'w'))
  file:write("local perilune = require 'perilune'\n", text)
  file:close()
end

local function reload(server)
  return child.run(
    { child.binary(), 'reload', server.url },
    { env = { PERILUNE_LOG_LEVEL = 'error' } }
  )
end

local function call(server, method, args)
  local exit = app.call(server, method, args)
  assert.equal(0, exit.code, exit.output)
  return cjson.decode('[' .. exit.output .. ']')[1]
end

local function status(server)
  return call(server, 'perilune.Admin.status')
end

local function serve(text, workers)
  return app.serve(text, { args = { '--workers', tostring(workers or 2) } })
end

describe('reload', function()
  after_each(app.stop_all)

  it('takes up the new script and keeps what is in progress', function()
    local server = serve(service 'v1')
    local held = app.begin_call(server, 'demo.G.held', '[]', '--timeout', '60000')
    eventually(function()
      return status(server).generations[1].calls == 1
    end, { what = 'the call' })
    rewrite(server, service 'v2')
    local exit = reload(server)
    assert.equal(0, exit.code, exit.output)
    assert.matches('^generation 2 runs, source %x+\n$', exit.output)
    assert.equal('v2', call(server, 'demo.G.version'))
    local generations = status(server).generations
    assert.equal(2, generations[1].number)
    assert.same({ 1, 1 }, { generations[2].number, generations[2].calls })
    assert.not_equal(generations[1].source, generations[2].source)
    call(server, 'demo.G.release')
    held:wait()
    assert.matches('v1', held.output)
    server:wait_line 'generation 1 is over'
    assert.equal(1, #status(server).generations)
    exit = child.run { child.binary(), 'status', server.url }
    assert.matches('generation +2, loaded %d+ s ago, source %x+, 0 calls', exit.output)
  end)

  it('is what SIGHUP and --pid do', function()
    local server = serve(service 'v1')
    rewrite(server, service 'v2')
    server:kill 'HUP'
    server:wait_line 'generation 2 runs'
    assert.equal('v2', call(server, 'demo.G.version'))
    rewrite(server, service 'v3')
    local exit = child.run { child.binary(), 'reload', '--pid', tostring(server.pid) }
    assert.same({ 0, '' }, { exit.code, exit.output })
    server:wait_line 'generation 3 runs'
    assert.equal('v3', call(server, 'demo.G.version'))
  end)

  it('changes nothing when the new script is wrong, and says why', function()
    local server =
      serve(service('v1', "perilune.state('s').n = (perilune.state('s').n or 0) + 1\n"))
    local broken = {
      { 'x x', "app%.lua:%d+: .- expected near 'x'" },
      { "error 'thrown on purpose'", 'app%.lua:%d+: thrown on purpose' },
      { 'perilune.sleep(1)', 'app%.lua:%d+: cannot wait while loading' },
      {
        "perilune.refer { interface = 'a.B', url = 'joyrpc://127.0.0.1:1', loadbalance = 'p2x' }",
        "loadbalance 'p2x' unknown; did you mean 'p2c'",
      },
      { "require 'no.such.module'", "module 'no%.such%.module' not found" },
      { "perilune.listen 'tcp://127.0.0.1:99999'", 'tcp://127%.0%.0%.1:99999' },
      {
        "perilune.export { interface = 'perilune.Admin', service = { status = print } }",
        "export 'perilune%.Admin': exported already",
      },
      {
        "if require('perilune.core').worker == 2 then perilune.start(function() end) end",
        'worker 2 declared something else',
      },
      { "perilune.start(function() error 'no start' end)", 'perilune%.start: .-no start' },
      {
        "local core = require 'perilune.core'\n"
          .. "perilune.start(function() if core.worker == 2 then error 'two' end end)",
        'perilune%.start: .-two',
      },
    }
    for _, case in ipairs(broken) do
      rewrite(server, service('v2', case[1] .. '\n'))
      local exit = reload(server)
      assert.equal(1, exit.code, case[1])
      assert.matches(case[2], exit.output)
      server:wait_line 'RELOAD%-REFUSED'
      assert.equal('v1', call(server, 'demo.G.version'))
    end
    rewrite(server, 'local none = 1\n')
    assert.matches('declares nothing to do', reload(server).output)
    os.remove(server.path)
    assert.matches('cannot open', reload(server).output)
    assert.equal(1, status(server).generations[1].number)
    rewrite(server, service 'v3')
    assert.equal(0, reload(server).code)
    assert.equal('v3', call(server, 'demo.G.version'))
  end)

  it('loads modules anew, hands over state, and registers policies anew', function()
    local text = [[
      local words = require 'words'
      perilune.filter('tagged', function(ctx, call, next)
        local result, err = next(ctx, call)
        return result and result .. words.tag, err
      end)
      local state = perilune.state('count', function() return { n = 0 } end)
      perilune.export { interface = 'demo.W', filters = { 'tagged' }, service = {
        say = function() state.n = state.n + 1 return words.text .. state.n end,
      } }
      perilune.listen 'tcp://127.0.0.1:0'
    ]]
    local folder
    local function words(content)
      local file = assert(io.open(folder .. '/words.lua', 'w'))
      file:write(content)
      file:close()
    end
    local script = app.script('')
    folder = script:match '^(.*)/'
    words "require('ffi').cdef 'struct words { int n; };' return { text = 'one', tag = '!' }"
    local file = assert(io.open(script, 'w'))
    file:write("local perilune = require 'perilune'\n", text)
    file:close()
    local server = app.serve('', { path = script, args = { '--workers', '1' } })
    assert.equal('one1!', call(server, 'demo.W.say'))
    local before = status(server).generations[1].source
    words "require('ffi').cdef 'struct words { int n; };' return { text = 'two', tag = '?' }"
    assert.equal(0, reload(server).code)
    assert.equal('two2?', call(server, 'demo.W.say'))
    assert.not_equal(before, status(server).generations[1].source)
    words 'return nil +'
    assert.equal(1, reload(server).code)
    assert.equal('two3?', call(server, 'demo.W.say'))
  end)

  it('leaves the collector as the scripts want it', function()
    local text = [[
      perilune.export { interface = 'demo.C', service = {
        step = function()
          local step = collectgarbage('setstepmul', 200)
          collectgarbage('setstepmul', step)
          return step
        end,
      } }
    ]]
    local server = serve(service('v1', text), 1)
    local before = call(server, 'demo.C.step')
    assert.equal(0, reload(server).code)
    assert.equal(before, call(server, 'demo.C.step'))
    rewrite(server, service('v2', text .. "error 'no'"))
    assert.equal(1, reload(server).code)
    assert.equal(before, call(server, 'demo.C.step'))
    rewrite(server, service('v3', text .. "collectgarbage('setstepmul', 321)\n"))
    assert.equal(0, reload(server).code)
    assert.equal(321, call(server, 'demo.C.step'))
    server:wait_line 'generation 1 is over'
  end)

  it('opens what is added and ends what is gone', function()
    local server = serve(service 'v1' .. [[
      perilune.export { interface = 'demo.Old', service = { m = function() return 1 end } }
    ]])
    assert.equal(1, call(server, 'demo.Old.m'))
    rewrite(server, [[
      perilune.export { interface = 'demo.G', service = { other = function() return 'o' end } }
      perilune.export { interface = 'demo.New', service = { m = function() return 2 end } }
      perilune.listen 'tcp://127.0.0.1:0'
      perilune.listen { url = 'unix://]] .. server.path .. [[.sock' }
    ]])
    assert.equal(0, reload(server).code)
    assert.equal(2, call(server, 'demo.New.m'))
    assert.equal('o', call(server, 'demo.G.other'))
    local exit = app.call(server, 'demo.Old.m', '[]', '--json')
    assert.matches('"retryable":true', exit.output)
    assert.matches('NO_SERVICE', exit.output)
    assert.matches('NO_METHOD', app.call(server, 'demo.G.version').output)
    local listening = status(server).listening
    assert.equal(2, #listening)
    local socket = { url = listening[2] }
    assert.equal(2, call(socket, 'demo.New.m'))
    rewrite(server, service 'v3')
    assert.equal(0, reload(server).code)
    assert.same({ listening[1] }, status(server).listening)
    assert.equal('v3', call(server, 'demo.G.version'))
    assert.equal(1, app.call(socket, 'demo.G.version').code)
  end)

  it('ends the background work of the old script, after a while', function()
    local text = [[
      perilune.start(function()
        perilune.spawn(function()
          while true do perilune.sleep(5) perilune.shared.incr('loops', 1) end
        end)
        perilune.spawn(function() perilune.future():await() end)
      end)
      perilune.stop(function() perilune.shared.incr('stops', 1) end)
    ]]
    local more = [[
      perilune.export { interface = 'demo.S', service = {
        get = function(_, name) return perilune.shared.get(name) or 0 end,
      } }
    ]]
    local server = app.serve(service('v1', text .. more), {
      args = { '--workers', '2' },
      env = { PERILUNE_RELOAD_GRACE = '50' },
    })
    rewrite(server, service('v2', more))
    assert.equal(0, reload(server).code)
    server:wait_line 'generation 1 is over'
    assert.equal(2, call(server, 'demo.S.get', '["stops"]'))
    assert.equal(0, status(server).metrics.perilune_old_generation_fibers)
  end)

  it('is not waited for by a process that ends', function()
    local server = serve(service(
      'v1',
      [[
      perilune.start(function()
        perilune.spawn(function() perilune.future():await() end)
      end)
    ]]
    ))
    rewrite(server, service 'v2')
    assert.equal(0, reload(server).code)
    server:kill 'TERM'
    assert.equal(0, server:wait().code)
    assert.is_nil(server.output:find('still has calls', 1, true), server.output)
    assert.is_nil(server.output:find('still had work', 1, true), server.output)
  end)

  it('counts calls in progress against limits that are new', function()
    local server = serve(service 'v1', 1)
    local slow = app.begin_call(server, 'demo.G.slow', '[60000]', '--timeout', '90000')
    eventually(function()
      return status(server).generations[1].calls == 1
    end, { what = 'the call' })
    local limited = service('v2'):gsub('perilune.export {', '%0 concurrency = 1,', 1)
    rewrite(server, limited)
    assert.equal(0, reload(server).code)
    assert.matches('OVERLOADED', app.call(server, 'demo.G.slow', '[1]').output)
    assert.equal('v2', call(server, 'demo.G.version'))
    slow:kill 'KILL'
    slow:wait()
    eventually(function()
      return app.call(server, 'demo.G.slow', '[1]').code == 0
    end, { what = 'the end of the call' })
    server:wait_line 'generation 1 is over'
    rewrite(server, service 'v3')
    assert.equal(0, reload(server).code)
    assert.equal('v3', call(server, 'demo.G.slow', '[1]'))
  end)

  it('refuses no call for the time that loading takes', function()
    local slowly = 'local till = perilune.hrtime() + 250 while perilune.hrtime() < till do end\n'
    local server = serve(service 'v1', 1)
    local consumer = app.start(([[
      local service = perilune.refer { interface = 'demo.G', url = %q, retries = 0 }
      perilune.main(function()
        perilune.check(perilune.ready(service, 5000))
        local calls, seen, failed = 0, {}, 0
        for i = 1, 4 do
          perilune.spawn(function()
            while not seen.v2 do
              local result, err = service:version()
              calls, failed = calls + 1, failed + (err and 1 or 0)
              seen[result or err.code] = true
            end
          end)
        end
        while not seen.v2 do perilune.sleep(5) end
        print('failed ' .. failed .. ' of ' .. calls)
      end)
    ]]):format(server.url))
    eventually(function()
      return status(server).metrics.perilune_calls_answered > 20
    end, { what = 'the load' })
    rewrite(server, service('v2', slowly))
    assert.equal(0, reload(server).code)
    consumer:wait()
    assert.matches('failed 0 of', consumer.output)
  end)

  it('is refused while two generations live', function()
    local server = serve(service 'v1', 1)
    local slow = app.begin_call(server, 'demo.G.slow', '[60000]', '--timeout', '90000')
    eventually(function()
      return status(server).generations[1].calls == 1
    end, { what = 'the call' })
    rewrite(server, service 'v2')
    assert.equal(0, reload(server).code)
    local waits = child.start { child.binary(), 'reload', server.url, '--timeout', '1500' }
    assert.equal(1, waits:wait().code)
    assert.matches('TIMEOUT', waits.output)
    assert.equal('v2', call(server, 'demo.G.version'))
    slow:kill 'KILL'
    slow:wait()
    server:wait_line 'generation 3 runs' -- whose turn has come
  end)
end)

local RELAY = [[
local greeter = perilune.refer { interface = 'demo.G', registry = 'file://%s', timeout = %d }
perilune.export { interface = 'demo.R', service = {
  relay = function() return greeter:version() end,
  known = function()
    local nodes = 0
    for _ in pairs(require('perilune.cluster.connection').all()) do nodes = nodes + 1 end
    return nodes
  end,
} }
perilune.on('registry.changed', function() perilune.shared.incr('changes', 1) end)
perilune.export { interface = 'demo.S', service = {
  get = function(_, name) return perilune.shared.get(name) or 0 end,
} }
perilune.main(function() while true do perilune.sleep(1000) greeter:version() end end)
perilune.listen 'tcp://127.0.0.1:0'
]]

describe('a refer that stays', function()
  after_each(app.stop_all)

  it('keeps connection, session and subscription over reloads', function()
    local folder = app.script('', 'registry'):match '^(.*)/'
    local text = service 'v1'
      .. [[
      perilune.on('session.opened', function() perilune.shared.incr('sessions', 1) end)
      perilune.export { interface = 'demo.S', service = {
        get = function(_, name) return perilune.shared.get(name) or 0 end,
      } }
    ]]
    text = text:gsub("'demo%.G',", ("'demo.G', registry = 'file://%s',"):format(folder), 1)
    local provider = serve(text, 1)
    local relay = serve(RELAY:format(folder, 1000), 1)
    assert.equal('v1', call(relay, 'demo.R.relay'))
    local links = status(relay).metrics.perilune_connections_out
    local changes = call(relay, 'demo.S.get', '["changes"]')
    for round = 1, 4 do
      -- in turns the same declaration and one with another option
      rewrite(relay, RELAY:format(folder, 1000 + math.floor(round / 2)))
      assert.equal(0, reload(relay).code)
      assert.equal('v1', call(relay, 'demo.R.relay'))
      assert.equal(links, status(relay).metrics.perilune_connections_out)
    end
    assert.equal(changes, call(relay, 'demo.S.get', '["changes"]'))
    -- one of the relay, the others are those of this spec's command lines
    assert.equal(1, call(relay, 'demo.R.known'))
    local accepted = status(provider).metrics.perilune_connections
    assert.equal(2, accepted) -- the relay's, and the one that asks
  end)
end)

describe('a refer of the process itself', function()
  after_each(app.stop_all)

  it('finds the handlers of its generation after a reload', function()
    local function text(version)
      return service(version)
        .. [[
        local own = perilune.refer { interface = 'demo.G', inproc = true }
        perilune.export { interface = 'demo.R', service = {
          relay = function() return own:version() end,
        } }
      ]]
    end
    local server = serve(text 'v1', 2)
    assert.equal('v1', call(server, 'demo.R.relay'))
    rewrite(server, text 'v2')
    local exit = reload(server)
    assert.equal(0, exit.code, exit.output)
    assert.equal('v2', call(server, 'demo.R.relay'))
  end)
end)
