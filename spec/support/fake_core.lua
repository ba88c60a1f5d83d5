-- SPDX-License-Identifier: MIT
-- A core for specs of the cluster: fibers, a clock that jumps to the next timer, and servers that are
-- functions. Put it into package.loaded['perilune.core'] before the modules under test are loaded.
--
--   local core = require('spec.support.fake_core').new()
--   core.servers['a:1'] = { handler = function(method, args) return true, 'result' end }
--   core.run(function() ... end)      runs a fiber and everything it causes until it is over
local M = {}

-- As peri_node_fault has them.
local NODE_FAULT = {}
local FAULTS =
  'TIMEOUT UNAVAILABLE OVERLOADED SHUTDOWN NO_SERVICE SESSION_LOST CLOSED PROTOCOL SYSTEM'
for name in FAULTS:gmatch '%u[%u_]*' do
  NODE_FAULT[name] = true
end

local function loop_over(core)
  local state = { now = 1000, queue = {}, timers = {}, parked = {}, next_id = 0 }
  core.state = state

  local function resume(fiber, ...)
    local before = state.current
    state.current = fiber.id
    local ok, err = coroutine.resume(fiber.co, ...)
    state.current = before
    if not ok then
      error(debug.traceback(fiber.co, tostring(err)), 0)
    end
    if coroutine.status(fiber.co) == 'dead' then
      fiber.over = true
    end
  end

  local function push(fiber, ...)
    table.insert(state.queue, { fiber, { n = select('#', ...), ... } })
  end

  function core.spawn(fn, a, b)
    state.next_id = state.next_id + 1
    local fiber = { id = state.next_id, co = coroutine.create(fn) }
    push(fiber, a, b)
    return fiber.id
  end

  function core.fiber()
    return state.current or 0
  end

  function core.park(ms)
    local id = state.current
    local record = { at = ms and state.now + ms or math.huge, id = id }
    state.parked[id] = record
    record.co = coroutine.running()
    return coroutine.yield()
  end

  function core.wake(id, value)
    local record = state.parked[id]
    if not record then
      return false
    end
    state.parked[id] = nil
    push({ id = id, co = record.co }, true, value)
    return true
  end

  -- Ends what the fiber waits for.
  function core.cancel(id)
    local record = state.parked[id]
    if record then
      state.parked[id] = nil
      push({ id = id, co = record.co }, false, 'CANCELLED')
    end
  end

  function core.sleep(ms)
    core.park(ms)
    return true
  end

  local function next_timer()
    local best
    for _, record in pairs(state.parked) do
      if record.at < math.huge and (not best or record.at < best.at) then
        best = record
      end
    end
    return best
  end

  -- Runs until `done()` or nothing is left to do; time passes only when nothing else can happen.
  function core.turn(done, limit)
    for _ = 1, 100000 do
      if done and done() then
        return true
      end
      local item = table.remove(state.queue, 1)
      if item then
        resume(item[1], unpack(item[2], 1, item[2].n))
      else
        local timer = next_timer()
        if not timer or timer.at > (limit or math.huge) then
          return false
        end
        state.now = math.max(state.now, timer.at)
        state.parked[timer.id] = nil
        push({ id = timer.id, co = timer.co }, false, 'TIMEOUT')
      end
    end
    error 'the fake core turned 100000 times'
  end

  -- Lets `ms` pass.
  function core.pass(ms)
    local limit = state.now + ms
    core.turn(nil, limit)
    state.now = limit
  end

  function core.run(fn, ...)
    local args, results = { ... }, nil
    core.spawn(function()
      results = { n = 1, fn(unpack(args)) }
    end)
    core.turn(function()
      return results
    end)
    assert(results, 'the fiber waits for ever')
    return unpack(results)
  end
end

local function network_over(core)
  local conns, next_conn, next_session = {}, 0, 0
  core.servers, core.conns, core.connects = {}, conns, {}

  function core.connect(url, options)
    local address = url:match '://(.*)$'
    core.connects[address] = (core.connects[address] or 0) + 1
    core.park(1)
    local server = core.servers[address]
    if not server or server.refuse then
      return nil, 'UNAVAILABLE', 'connection refused'
    end
    next_conn = next_conn + 1
    conns[next_conn] = { id = next_conn, address = address, options = options, sessions = {} }
    return next_conn
  end

  function core.session(conn, params)
    core.park(1)
    local record = conns[conn]
    if not record then
      return nil, 'CLOSED', 'connection closed'
    end
    local server = core.servers[record.address]
    if server.no_session then
      return nil, 'NO_SERVICE', 'no such service'
    end
    next_session = next_session + 1
    record.sessions[next_session] = params
    server.sessions = (server.sessions or 0) + 1
    return { id = next_session, native = true, serializer = 'msgpack', attributes = {} }
  end

  function core.expecting(conn)
    return conns[conn] and conns[conn].expecting or 0
  end

  local function request(conn, session, method, args, timeout, attachments, flags)
    local record = conns[conn]
    if not record then
      return false, 'CLOSED', 'connection closed', 'NOT_SENT'
    end
    local server = core.servers[record.address]
    if not record.sessions[session] then
      core.park(1)
      return false, 'SESSION_LOST', 'no such session', 'REFUSED'
    end
    server.calls = (server.calls or 0) + 1
    server.timeouts = server.timeouts or {}
    table.insert(server.timeouts, timeout)
    record.expecting = (record.expecting or 0) + 1
    local _, why = core.park(server.latency or 1)
    record.expecting = record.expecting - 1
    if why == 'CANCELLED' then
      server.cancelled = (server.cancelled or 0) + 1
      return false, 'CANCELLED', 'cancelled', 'UNKNOWN'
    end
    return server.handler(method, args, attachments, flags, record)
  end

  -- Like the real one it keeps the node's counters, where it is given them.
  function core.request(conn, session, method, args, timeout, attachments, flags, counters)
    if not counters then
      return request(conn, session, method, args, timeout, attachments, flags)
    end
    local C = require 'perilune.ffi'
    local began = C.peri_counters_begin(counters)
    local ok, a, b, c, d = request(conn, session, method, args, timeout, attachments, flags)
    C.peri_counters_done(counters, began, not ok and NODE_FAULT[a] or false)
    return ok, a, b, c, d
  end

  -- How cluster/direct.lua asks: the wait is yielded without a function around it.
  function core.yield(_, _, ...)
    return core.request(...)
  end

  function core.disconnect(conn)
    local record = conns[conn]
    if record then
      conns[conn] = nil
      core.spawn(function()
        record.options.on_close(conn, 'CLOSED')
      end)
    end
  end

  -- The server's side: ends all connections to `address`, or says goodbye first.
  function core.hang_up(address)
    for id, record in pairs(conns) do
      if record.address == address then
        core.disconnect(id)
      end
    end
  end

  function core.drain(address)
    for id, record in pairs(conns) do
      if record.address == address then
        core.spawn(record.options.on_drain, id)
      end
    end
  end

  function core.lose_sessions(address)
    for _, record in pairs(conns) do
      if record.address == address then
        record.sessions = {}
      end
    end
  end
end

local function encoded(core)
  local cjson = require 'cjson'
  core.encode = cjson.encode
  core.decode = function(text)
    local ok, value = pcall(cjson.decode, text)
    if not ok then
      return nil, value
    end
    return value
  end
end

-- A new core, with which every module of perilune is loaded anew.
function M.install()
  for name in pairs(package.loaded) do
    if name:match '^perilune%.' and name ~= 'perilune.ffi_cdef' then
      package.loaded[name] = nil
    end
  end
  local core = M.new()
  package.loaded['perilune.core'] = core
  -- The real one takes coroutines over for the whole interpreter, and reads the clock of a VM.
  package.loaded['perilune.fiber'] = {
    clock = function()
      return core.clock()
    end,
  }
  return core
end

-- A ctx of a call with `ms` left.
function M.ctx(core, ms)
  local deadline = core.clock() + (ms or 1000)
  return {
    left = function()
      return math.max(0, deadline - core.clock())
    end,
  }
end

function M.new()
  local core = { role = 'main', worker = 0, logs = {} }
  loop_over(core)
  network_over(core)
  encoded(core)
  local seed = 42
  function core.key()
    return false -- written in Lua then
  end
  function core.random(n)
    seed = (seed * 16807) % 2147483647
    local unit = seed / 2147483647
    return n and math.floor(unit * n) + 1 or unit
  end
  function core.clock()
    return core.state.now
  end
  core.hrtime = core.clock
  function core.walltime()
    return os.time() * 1000
  end
  function core.log(level, tag, text)
    table.insert(core.logs, level .. ' ' .. tag .. ' ' .. text)
  end
  function core.watch(_, on_change)
    core.watching = on_change
    return 1
  end
  function core.unwatch()
    core.watching = nil
  end
  core.messages, core.handlers = {}, {}
  function core.post(to, name, payload)
    table.insert(core.messages, { to = to, name = name, payload = payload })
  end
  function core.on_message(name, fn)
    core.handlers[name] = fn
  end
  return core
end

return M
