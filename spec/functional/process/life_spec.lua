-- SPDX-License-Identifier: MIT
local app = require 'spec.support.app'
local child = require 'spec.support.child'
local peer = require 'spec.support.peer'

local GREETER = [[
perilune.export { interface = 'demo.Greeter', alias = 'prod', service = {
  hello = function(ctx, name) return 'hello ' .. name end,
  slow = function(ctx, ms) perilune.log.info('slow began') perilune.sleep(ms) return 'slept' end,
  spin = function(ctx, ms)
    local from = perilune.hrtime()
    while perilune.hrtime() - from < ms do end
    return 'spun'
  end,
  worker = function() return require('perilune.core').worker end,
} }
perilune.listen 'tcp://127.0.0.1:0'
]]

describe('a process', function()
  after_each(app.stop_all)

  it('serves, answers calls, and ends with 0 on SIGTERM', function()
    local server = app.serve(GREETER)
    local result = app.call(server, 'demo.Greeter.hello', '["moon"]', '--alias', 'prod')
    assert.equal('"hello moon"\n', result.output)
    assert.equal(0, result.code)
    server:kill 'TERM'
    assert.same({ code = 0 }, server:wait())
  end)

  it('finishes calls in progress before it ends', function()
    local server = app.serve(GREETER)
    local call = app.begin_call(server, 'demo.Greeter.slow', '[300]', '--alias', 'prod')
    server:wait_line 'slow began'
    server:kill 'TERM'
    assert.same({ code = 0 }, server:wait())
    assert.same({ code = 0 }, call:wait())
    assert.equal('"slept"\n', call.output)
  end)

  it('serves what JoyRPC peers send until they have seen that it goes', function()
    local server = app.serve(GREETER)
    local it = peer.connect(tonumber(server.url:match ':(%d+)$'))
    local greet = '{"className":"demo.Greeter","alias":"prod","methodName":"hello","args":["moon"]}'
    it:send(peer.frame { type = peer.REQUEST, id = 1, session = 0, body = greet })
    assert.equal(peer.REPLY, (it:reply()))
    server:kill 'TERM'
    assert.equal(peer.OFFLINE, (it:reply()))
    it:send(peer.frame { type = peer.REQUEST, id = 2, session = 0, body = greet })
    local type, id, body = it:reply()
    assert.same({ peer.REPLY, 2 }, { type, id })
    assert.matches('"response":"hello moon"', body, 1, true)
    it:close()
    assert.same({ code = 0 }, server:wait())
  end)

  it('tells JoyRPC peers since when it runs, or that its warm-up is nearly over', function()
    local before = os.time() * 1000
    local server = app.serve(GREETER .. [[
perilune.export {
  interface = 'demo.Ramped', joyrpc = { start_time = 'ramped' },
  service = { hello = function() end },
}]])
    local it = peer.connect(tonumber(server.url:match ':(%d+)$'))
    local told = {}
    for session, interface in ipairs { 'demo.Greeter', 'demo.Ramped' } do
      local body = (
        '{"serialization":"json","serializations":["json"],'
        .. '"attributes":{"interface":"%s","alias":"%s"}}'
      ):format(interface, session == 1 and 'prod' or '')
      it:send(peer.frame { type = peer.NEGOTIATE, session = session, body = body })
      local _, _, answer = it:reply()
      told[session] = tonumber(answer:match '"remoteStartTime":"(%d+)"')
    end
    local after = os.time() * 1000 + 1000
    it:close()
    assert.is_true(told[1] >= before and told[1] <= after)
    assert.is_true(told[2] >= before - 59000 and told[2] <= after - 59000)
  end)

  it('cuts calls off after the drain time-out and says so with 1', function()
    local server = app.serve(GREETER, { args = { '--drain-timeout', '50' } })
    local call = app.begin_call(
      server,
      'demo.Greeter.slow',
      '[60000]',
      '--alias',
      'prod',
      '--timeout',
      '60000'
    )
    server:wait_line 'slow began'
    server:kill 'TERM'
    assert.same({ code = 1 }, server:wait())
    assert.matches('DRAIN%-CUT', server.output)
    assert.same({ code = 1 }, call:wait())
  end)

  it('drains for no time at all where that is asked for', function()
    local server = app.serve(GREETER, { args = { '--drain-timeout', '0' } })
    local call = app.begin_call(
      server,
      'demo.Greeter.slow',
      '[60000]',
      '--alias',
      'prod',
      '--timeout',
      '60000'
    )
    server:wait_line 'slow began'
    server:kill 'TERM'
    assert.same({ code = 1 }, server:wait())
    assert.same({ code = 1 }, call:wait())
  end)

  it('ends at once on a second signal', function()
    local server = app.serve(GREETER)
    app.begin_call(server, 'demo.Greeter.slow', '[60000]', '--alias', 'prod', '--timeout', '60000')
    server:wait_line 'slow began'
    server:kill 'TERM'
    server:wait_line '"DRAIN"'
    server:kill 'INT'
    assert.same({ code = 130 }, server:wait())
  end)

  it('runs main once, in worker 1, with the arguments, and ends with its result', function()
    local process = app.start(
      [[
      perilune.main(function(args)
        perilune.sleep(1)
        print(require('perilune.core').worker, #args, args[1], args[2])
        return 7
      end)]],
      { args = { '--workers', '3', '--', 'a', 'b c' } }
    )
    assert.same({ code = 7 }, process:wait())
    assert.equal('1\t2\ta\tb c\n', process.output)
  end)

  it('ends with 1 when main throws or fails', function()
    local thrown = app.start "perilune.main(function() error('boom') end)"
    assert.same({ code = 1 }, thrown:wait())
    assert.matches('boom', thrown.output)
    local failed = app.start "perilune.main(function() return nil, 'no luck' end)"
    assert.same({ code = 1 }, failed:wait())
    assert.matches('no luck', failed.output)
  end)

  it('reports a stuck worker with what it runs, and its recovery', function()
    local server = app.serve(GREETER, { args = { '--workers', '1' } })
    local call =
      app.begin_call(server, 'demo.Greeter.spin', '[2500]', '--alias', 'prod', '--timeout', '20000')
    server:wait_line 'WORKER%-STUCK.-demo%.Greeter%.spin'
    server:wait_line 'WORKER%-TURNS'
    assert.same({ code = 0 }, call:wait())
  end)

  it('gives a stuck worker no new connections', function()
    local server = app.serve(GREETER, { args = { '--workers', '2', '--stall-timeout', '0' } })
    app.begin_call(server, 'demo.Greeter.spin', '[600000]', '--alias', 'prod', '--timeout', '60000')
    local stuck = server:wait_line 'WORKER%-STUCK.-worker (%d)'
    for _ = 1, 4 do
      local result = app.call(server, 'demo.Greeter.worker', '[]', '--alias', 'prod')
      assert.equal(('%d\n'):format(3 - stuck), result.output)
    end
  end)

  it('ends with 1 when a worker stays stuck beyond stall_timeout', function()
    local server = app.serve(GREETER, { args = { '--workers', '1', '--stall-timeout', '1500' } })
    app.begin_call(server, 'demo.Greeter.spin', '[600000]', '--alias', 'prod', '--timeout', '60000')
    assert.same({ code = 1 }, server:wait())
    assert.matches('WORKER%-STALLED', server.output)
  end)

  it('tells its status through the built-in service', function()
    local server = app.serve(GREETER, { args = { '--workers', '2' } })
    app.call(server, 'demo.Greeter.hello', '["moon"]', '--alias', 'prod')
    local result = child.read { child.binary(), 'status', server.url, '--json' }
    assert.equal(0, result.code, result.output)
    local status = require('cjson').decode(result.output)
    assert.is_true(status.ready)
    assert.equal(2, status.workers)
    assert.equal(server.pid, status.pid)
    assert.same({ 'demo.Greeter:prod' }, status.services)
    assert.is_true(status.metrics.perilune_calls_answered >= 1)
    assert.matches(
      'ready, pid ' .. server.pid,
      child.run({ child.binary(), 'status', server.url }).output
    )
  end)

  it('gives each connection to the worker with the fewest', function()
    local server = app.serve(GREETER, { args = { '--workers', '3' } })
    local result = child.run {
      child.binary(),
      'run',
      app.script(([[
        local core, perilune = require 'perilune.core', require 'perilune'
        perilune.main(function()
          local count, spread = { 0, 0, 0 }, 0
          for i = 1, 31 do
            local conn = assert(core.connect(%q, {}))
            local session = assert(core.session(conn, { interface = 'demo.Greeter', alias = 'prod' }))
            local ok, worker = core.request(conn, session.id, 'worker', { n = 0 }, 5000)
            assert(ok, worker)
            count[worker] = count[worker] + 1
            spread = math.max(spread, math.max(unpack(count)) - math.min(unpack(count)))
          end
          table.sort(count)
          print(table.concat(count, ' '), 'spread', spread)
        end)]]):format(server.url)),
    }
    assert.equal(0, result.code, result.output)
    assert.equal('10 10 11\tspread\t1\n', result.output)
  end)
end)
