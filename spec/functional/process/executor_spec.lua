-- SPDX-License-Identifier: MIT
-- Handlers in executors: the worker goes on, whatever they compute, and every call still ends once.
local app = require 'spec.support.app'
local child = require 'spec.support.child'
local cjson = require 'cjson'
local eventually = require 'spec.support.eventually'
local folders = require 'spec.support.folders'
local lfs = require 'lfs'

local SERVICE = [[
local core = require 'perilune.core'
local shared = perilune.shared
perilune.export { interface = 'demo.E', executor = 'pool',
  methods = { role = { executor = 'inline' }, set = { executor = 'inline' },
    get = { executor = 'inline' }, deaf = { timeout = 300 }, brief = { timeout = 300 },
    limited = { timeout = 300 } },
  service = {
    brief = function() return core.role end,
    limited = function(ctx)
      while not ctx:cancelled() do end
      shared.set('saw ' .. ctx:cancelled(), 1)
    end,
    set = function(_, name) shared.set(name, 1) return true end,
    get = function(_, name) return shared.get(name) or 0 end,
    role = function() return core.role end,
    where = function() return core.role end,
    version = function() return '%s' end,
    -- Computes until somebody calls set(name): what cannot be seen by a loop that does not turn.
    hold = function(ctx, name)
      shared.incr('begun')
      while not shared.get(name) do
        local why = ctx:cancelled()
        if why then shared.set('saw ' .. why, 1) return 'gave up' end
      end
      return core.role
    end,
    deaf = function(_, name)
      shared.incr('begun')
      while not shared.get(name) do end
      return 'done'
    end,
    wait = function()
      shared.incr('begun')
      perilune.sleep(60000)
    end,
    fail = function() return nil, perilune.error('NOT_FOUND', 'nothing here') end,
    throw = function() error 'oops' end,
    about = function(ctx, a, b)
      ctx.reply.mark = 'r'
      return { ctx.native, ctx.is_local, ctx.session ~= 0, ctx.call.attachments.k, b, ctx:left() > 0,
        ctx.call.method }
    end,
    big = function(_, text) return text:rep(100000) end,
    bare = function() end,
    echo = function(_, text) return text end,
  } }
local me = perilune.refer { interface = 'demo.E', inproc = true }
perilune.export { interface = 'demo.Outer', service = {
  where = function() return me:where() end, fail = function() return me:fail() end } }
perilune.export { interface = 'demo.Nested', executor = { 'pool' }, service = {
  where = function() return me:where() end } }
perilune.listen 'tcp://127.0.0.1:0'
]]

-- What Linux tells of the thread that runs it.
local THREADS = [[
local function read(name)
  local file = assert(io.open('/proc/thread-self/' .. name))
  return file:read '*a', file:close()
end
local function thread()
  local nice = read('stat'):match('%)' .. (' %S+'):rep(16) .. ' (%-?%d+)')
  local ok, sched = pcall(read, 'sched')
  return { tonumber(nice), tonumber(ok and sched:match 'slice%s*:%s*(%d+)' or 0) }
end
perilune.export { interface = 'demo.Threads', executor = 'pool',
  methods = { worker = { executor = 'inline' } },
  service = { worker = thread, executor = thread } }
perilune.listen 'tcp://127.0.0.1:0'
]]

-- Linux takes a slice of one's own since 6.12.
local function has_slices()
  local file = assert(io.open '/proc/sys/kernel/osrelease')
  local major, minor = file:read('*a'):match '^(%d+)%.(%d+)'
  file:close()
  return tonumber(major) * 1000 + tonumber(minor) >= 6012
end

local function serve(executors, env)
  return app.serve(SERVICE:format 'v1', {
    args = { '--workers', '1', '--executors', tostring(executors or 1) },
    env = env,
  })
end

local function call(server, method, args, ...)
  local exit = app.call(server, method, args, ...)
  assert.equal(0, exit.code, exit.output)
  return cjson.decode('[' .. exit.output .. ']')[1]
end

local function fails(server, method, args, ...)
  local exit = app.call(server, method, args, ...)
  assert.equal(1, exit.code, exit.output)
  return exit.output
end

local function status(server)
  return call(server, 'perilune.Admin.status')
end

local function until_pool(server, key, count)
  eventually(function()
    return status(server).executors[key] == count
  end, { what = key .. ' in the pool' })
end

-- Without a deadline of its own that a slow build would meet.
local function begin(server, method, args)
  return app.begin_call(server, method, args, '--timeout', '60000')
end

local function ends(process, text)
  process:wait()
  assert.matches(text, process.output)
end

describe('executor', function()
  after_each(function()
    app.stop_all()
    folders.remove_all()
  end)

  it('runs what computes while the worker goes on', function()
    local server = serve(1)
    local held = begin(server, 'demo.E.hold', '["go"]')
    until_pool(server, 'busy', 1)
    local turns = status(server).metrics.perilune_turns
    assert.equal('worker', call(server, 'demo.E.role'))
    assert.is_true(status(server).metrics.perilune_turns > turns)
    assert.is_nil(server.output and server.output:match 'WORKER%-STUCK')
    call(server, 'demo.E.set', '["go"]')
    ends(held, '^"executor"')
    assert.equal(1, status(server).executors.done)
  end)

  it('gives way to a worker that shares its core', function()
    local server = app.serve(THREADS, { args = { '--workers', '1', '--executors', '1' } })
    local worker = call(server, 'demo.Threads.worker')
    local nice, slice = unpack(call(server, 'demo.Threads.executor'))
    assert.equal(math.min(worker[1] + 10, 19), nice)
    if has_slices() and slice ~= 0 then -- 0 where it is not told
      assert.equal(100000000, slice)
    end
  end)

  it('hands over what the call says and brings the answer back', function()
    local server = serve(2)
    assert.same(
      { true, true, true, 'v', 'two', true, 'about' },
      call(server, 'demo.E.about', '["one", "two"]', '--attach', 'k=v')
    )
    assert.equal(300000, #call(server, 'demo.E.big', '["abc"]'))
    assert.equal('two', call(server, 'demo.E.echo', '["two"]', '--serialization', 'json'))
    assert.equal(cjson.null, call(server, 'demo.E.bare'))
    assert.matches('NOT_FOUND: nothing here', fails(server, 'demo.E.fail'))
    assert.matches('INTERNAL: internal error', fails(server, 'demo.E.throw'))
    server:wait_line 'demo.E.throw: handler'
  end)

  it('fails as inline, with details or an exception, to peers of each kind', function()
    local server = app.serve(
      [[
      local fields = { code = 7 }
      for name, executor in pairs { Inline = 'inline', Pooled = 'pool' } do
        perilune.export { interface = 'demo.' .. name, executor = executor ~= 'inline' and executor or nil, service = {
          plain = function() return nil, perilune.error('LIMITED', 'later', { retry_after = 5 }) end,
          thrown = function()
            return nil, perilune.error('PRECONDITION', 'no luck',
              perilune.java.exception('demo.DeclaredException', 'no luck', fields))
          end,
          bare = function() error(perilune.error('NOT_FOUND', 'gone')) end,
        } }
      end
      perilune.listen 'tcp://127.0.0.1:0']],
      { args = { '--workers', '1', '--executors', '1' } }
    )
    local function told(scheme, interface)
      local client = app.start(([[
        local proxy = perilune.refer { interface = '%s', url = '%s' }
        perilune.main(function()
          for _, method in ipairs { 'plain', 'thrown', 'bare' } do
            local _, err = perilune.call(proxy, method)
            local details = type(err.details) == 'table' and err.details or {}
            print(err.code, err.message, err.retryable, err.class, details.code, details.retry_after)
          end
        end)]]):format(interface, (server.url:gsub('^joyrpc', scheme))))
      local exit = client:wait()
      assert.equal(0, exit.code, client.output)
      return client.output
    end
    for _, scheme in ipairs { 'joyrpc', 'dubbo' } do
      local inline = told(scheme, 'demo.Inline')
      assert.equal(inline, told(scheme, 'demo.Pooled'))
      assert.matches('demo.DeclaredException%s+7', inline)
      assert.equal(scheme == 'joyrpc', inline:match 'LIMITED%s+later%s+%w+%s+nil%s+nil%s+5' ~= nil)
    end
  end)

  it('calls functions of its caller over the home of the call', function()
    local server = app.serve(
      [[
      local core = require 'perilune.core'
      local kept
      perilune.export { interface = 'demo.C', executor = 'pool', service = {
        ask = function(_, fn, text, other)
          local a, err = fn(text)
          local b = perilune.check(other:call({ attachments = { k = 'v' } }, 1, 2))
          return { core.role, a or false, err and err.code or false, err and err.details or false, b }
        end,
        keep = function(_, fn) kept = fn return fn:alive() end,
        slow = function(_, fn)
          local _, err = fn:call({ timeout = 50 })
          return err.code
        end,
        oneway = function(_, fn) return fn:call({ oneway = true }, 'x') end,
        drop = function() kept:close() kept = nil collectgarbage() return true end,
        alive = function() return kept:alive() end,
        call_kept = function()
          local _, err = kept 'x'
          return err and err.code
        end,
      } }
      perilune.listen 'tcp://127.0.0.1:0']],
      { args = { '--workers', '1', '--executors', '1' } }
    )
    local client = app.start(([[
      local core = require 'perilune.core'
      local proxy = perilune.refer { interface = 'demo.C', url = '%s' }
      perilune.main(function()
        local function say(text) return 'said ' .. text end
        local function fail() return nil, perilune.error('LIMITED', 'no', { retry_after = 3 }) end
        local function add(ctx, a, b) return ctx.call.attachments.k .. a + b end
        local one = perilune.check(proxy:ask(function(_, t) return say(t) end, 'moon', add))
        print(table.concat({ one[1], one[2], tostring(one[5]) }, ' '))
        one = perilune.check(proxy:ask(fail, 'moon', add))
        print(one[3], one[4].retry_after)
        print(proxy:slow(function() perilune.sleep(60000) end))
        local heard
        print(proxy:oneway(function(_, x) heard = x end))
        while not heard do perilune.sleep(1) end
        print(heard, perilune.check(proxy:keep(function() end)))
        local before = core.callback_count()
        perilune.check(proxy:drop())
        while core.callback_count() >= before do perilune.sleep(1) end
        perilune.check(proxy:keep(function() end))
        print 'kept'
      end)]]):format(server.url))
    local exit = client:wait()
    assert.equal(0, exit.code, client.output)
    assert.same('executor said moon v3\nLIMITED\t3\nTIMEOUT\ntrue\nx\ttrue\nkept\n', client.output)
    eventually(function()
      return call(server, 'demo.C.alive') == false
    end, { what = 'the function to be gone' })
    assert.equal('CLOSED', call(server, 'demo.C.call_kept'))
  end)

  it('can be called from within, from a worker and from an executor', function()
    local server = serve(1)
    assert.equal('executor', call(server, 'demo.Outer.where'))
    assert.equal('executor', call(server, 'demo.Nested.where'))
    assert.matches('NOT_FOUND', fails(server, 'demo.Outer.fail'))
  end)

  it('refuses what finds no room, as a thing to be tried again', function()
    local server = serve(1, { PERILUNE_EXECUTOR_QUEUE = '1' })
    local first = begin(server, 'demo.E.hold', '["go"]')
    until_pool(server, 'busy', 1)
    local second = begin(server, 'demo.E.where')
    until_pool(server, 'queued', 1)
    local text = fails(server, 'demo.E.where')
    assert.matches('OVERLOADED: .*executor_queue = 1', text)
    local now = status(server)
    assert.equal(1, now.executors.refused)
    assert.equal(1, now.metrics['perilune_limit_hits{limit="executor_queue"}'])
    call(server, 'demo.E.set', '["go"]')
    ends(first, 'executor')
    ends(second, 'executor')
  end)

  it('keeps no answer back while the next handler computes', function()
    local server = serve(1)
    for _ = 1, 4 do
      call(server, 'demo.E.where') -- brief: it may leave answers until it has run more of them
    end
    local first = begin(server, 'demo.E.hold', '["one"]')
    until_pool(server, 'busy', 1)
    local second = begin(server, 'demo.E.where')
    until_pool(server, 'queued', 1)
    local third = begin(server, 'demo.E.hold', '["two"]')
    until_pool(server, 'queued', 2)
    call(server, 'demo.E.set', '["one"]')
    ends(first, '^"executor"')
    ends(second, '^"executor"')
    call(server, 'demo.E.set', '["two"]')
    ends(third, '^"executor"')
  end)

  it('is told when the deadline passed, and its late answer is dropped', function()
    local server = serve(1)
    local deaf = begin(server, 'demo.E.deaf', '["go"]')
    ends(deaf, 'TIMEOUT: the deadline passed while an executor ran it')
    local queued = begin(server, 'demo.E.brief')
    ends(queued, 'TIMEOUT: the deadline passed before an executor was free')
    assert.equal(0, status(server).executors.queued)
    call(server, 'demo.E.set', '["go"]')
    until_pool(server, 'busy', 0)
    assert.equal(1, status(server).executors.late)
    begin(server, 'demo.E.limited'):wait()
    eventually(function()
      return call(server, 'demo.E.get', '["saw TIMEOUT"]') == 1
    end, { what = 'the handler to see it' })
  end)

  it('is told when the peer is gone, computing or waiting', function()
    local server = serve(2)
    local computing = begin(server, 'demo.E.hold', '["never"]')
    local waiting = begin(server, 'demo.E.wait')
    until_pool(server, 'busy', 2)
    computing:kill 'KILL'
    waiting:kill 'KILL'
    until_pool(server, 'busy', 0)
    assert.equal(1, call(server, 'demo.E.get', '["saw CANCELLED"]'))
    eventually(function()
      return status(server).metrics.perilune_calls_open <= 1
    end, { what = 'the calls to end' })
  end)

  it('says which method stalls one and ends nothing', function()
    local server = serve(1, { PERILUNE_EXECUTOR_STALL = '200' })
    local held = begin(server, 'demo.E.hold', '["go"]')
    server:wait_line 'executor 2 has not turned for executor_stall = 200 ms; it runs demo.E.hold'
    call(server, 'demo.E.set', '["go"]')
    ends(held, 'executor')
  end)

  it('takes part in reloads with work in the pool', function()
    local server = serve(1)
    local held = begin(server, 'demo.E.hold', '["go"]')
    until_pool(server, 'busy', 1)
    local file = assert(io.open(server.path, 'w'))
    file:write("local perilune = require 'perilune'\n", SERVICE:format 'v2')
    file:close()
    local reloading = child.start { child.binary(), 'reload', server.url }
    call(server, 'demo.E.set', '["go"]')
    ends(held, 'executor')
    reloading:wait()
    assert.matches('^generation 2 runs', reloading.output)
    assert.equal('v2', call(server, 'demo.E.version'))
  end)

  describe('under reload', function()
    local function rewrite(server, text)
      local file = assert(io.open(server.path, 'w'))
      file:write("local perilune = require 'perilune'\n", text)
      file:close()
    end

    local function reload(server, pattern)
      local run = child.run { child.binary(), 'reload', server.url }
      assert.matches(pattern, run.output)
    end

    local function sized(count, text)
      local folder = folders.new()
      assert(lfs.mkdir(folder))
      local config = folder .. '/conf.lua'
      local function set(number)
        local file = assert(io.open(config, 'w'))
        file:write(('return { executors = %d }'):format(number))
        file:close()
      end
      set(count)
      local args = { '--workers', '1', '--config', config }
      return app.serve(text, { args = args }), set
    end

    local function inline(version)
      local text = SERVICE:format(version):gsub("executor = 'pool',", '')
      return (text:gsub("executor = { 'pool' },", ''))
    end

    it('appears where a service asks for it first, and goes with the last', function()
      local server = app.serve(inline 'v1', { args = { '--workers', '1' } })
      assert.equal('worker', call(server, 'demo.E.where'))
      rewrite(server, SERVICE:format 'v2')
      reload(server, '^generation 2 runs')
      assert.equal('executor', call(server, 'demo.E.where'))
      assert.equal('v2', call(server, 'demo.E.version'))
      assert.is_true(status(server).executors.executors >= 1)
      rewrite(server, inline 'v3')
      reload(server, '^generation 3 runs')
      assert.equal('worker', call(server, 'demo.E.where'))
      eventually(function()
        return status(server).executors == nil
      end, { what = 'the executors to be gone' })
    end)

    it('changes its number; who goes finishes first', function()
      local server, set = sized(1, SERVICE:format 'v1')
      local held = begin(server, 'demo.E.hold', '["one"]')
      until_pool(server, 'busy', 1)
      set(3)
      local growing = child.start { child.binary(), 'reload', server.url }
      call(server, 'demo.E.set', '["one"]')
      ends(held, '^"executor"')
      growing:wait()
      assert.matches('^generation 2 runs', growing.output)
      until_pool(server, 'executors', 3)
      local calls = {}
      for i = 1, 3 do
        calls[i] = begin(server, 'demo.E.hold', '["two"]')
      end
      until_pool(server, 'busy', 3)
      set(1)
      local shrinking = child.start { child.binary(), 'reload', server.url }
      call(server, 'demo.E.set', '["two"]')
      for i = 1, 3 do
        ends(calls[i], '^"executor"')
      end
      shrinking:wait()
      assert.matches('^generation 3 runs', shrinking.output)
      until_pool(server, 'executors', 1)
      set(2)
      reload(server, '^generation 4 runs')
      until_pool(server, 'executors', 2)
      assert.equal('executor', call(server, 'demo.E.where'))
      server:kill 'TERM'
      assert.equal(0, server:wait().code)
    end)

    it('changes nothing when a new one cannot start', function()
      local server, set = sized(1, SERVICE:format 'v1')
      rewrite(server, SERVICE:format 'v2' .. [[
        local core = require 'perilune.core'
        perilune.start(function()
          if core.role == 'executor' and core.worker == 3 then error 'no room here' end
        end)]])
      set(2)
      reload(server, 'no room here')
      until_pool(server, 'executors', 1)
      assert.equal('v1', call(server, 'demo.E.version'))
      set(0)
      rewrite(server, SERVICE:format 'v3')
      reload(server, "executor = 'pool' needs executors; set executors to 1 or more")
      set(2)
      reload(server, '^generation 2 runs')
      until_pool(server, 'executors', 2)
      assert.equal('v3', call(server, 'demo.E.version'))
    end)
  end)

  it('is drained after the workers', function()
    local server = serve(1)
    local held = begin(server, 'demo.E.hold', '["go"]')
    until_pool(server, 'busy', 1)
    local queued = begin(server, 'demo.E.where')
    until_pool(server, 'queued', 1)
    local setter = child.start { child.binary(), 'call', server.url, 'demo.E.set', '["go"]' }
    setter:wait()
    server:kill 'TERM'
    ends(held, 'executor')
    ends(queued, 'executor')
    assert.equal(0, server:wait().code)
  end)

  it('is there only when asked for, and known by name', function()
    local server = app.serve([[
      perilune.export { interface = 'demo.P', service = { x = function() return 1 end } }
      perilune.listen 'tcp://127.0.0.1:0']])
    assert.is_nil(status(server).executors)
    local path = app.script [[
      local perilune = require 'perilune'
      perilune.export { interface = 'demo.P', executor = 'pol', service = { x = function() end } }
      perilune.listen 'tcp://127.0.0.1:0']]
    local exit = child.run { child.binary(), 'check', path }
    assert.equal(1, exit.code)
    assert.matches("executor 'pol' unknown; did you mean 'pool'%?", exit.output)
    path = app.script [[
      local perilune = require 'perilune'
      perilune.export { interface = 'demo.P', executor = { where = 'moon' },
        service = { x = function() end } }
      perilune.listen 'tcp://127.0.0.1:0']]
    exit = child.run { child.binary(), 'check', path }
    assert.matches("'where' must be 'worker' or 'pool', got 'moon'", exit.output)
  end)
end)
