-- SPDX-License-Identifier: MIT
-- What is measured: a subject is a server, a way to load it, and the figures that come out. Each
-- measure function takes the running server and gives a table of numbers, or nil and a reason.

local cjson = require 'cjson'
local process = require 'process'
local servers = require 'servers'

---@class bench.Settings
---@field here string folder of the bench scripts
---@field seconds number of one timed window
---@field warm number seconds before it
---@field load_core integer? the core of the client
local M = { here = nil, seconds = 2, warm = 0.5, load_core = nil }

local function load_argv(server, options)
  local argv = {
    servers.build .. '/bench/load',
    '--protocol',
    server.protocol,
    '--port',
    tostring(server.port),
    '--pid',
    tostring(server.pid),
    '--seconds',
    tostring(M.seconds),
    '--warm',
    tostring(M.warm),
  }
  if M.load_core then
    argv[#argv + 1] = '--cpu'
    argv[#argv + 1] = tostring(M.load_core)
  end
  for _, word in ipairs(options) do
    argv[#argv + 1] = tostring(word)
  end
  return argv
end

---Runs the load generator once.
---@param server bench.Server
---@param options any[] its further arguments
---@param refusals? boolean  failed calls are what is measured
---@return table? figures nil with a reason
---@return string? reason
function M.load(server, options, refusals)
  local argv = load_argv(server, options)
  local limit = M.seconds + M.warm + 60
  local text, why = process.run(argv, { log = servers.log_name 'load' }, limit)
  if not text then
    return nil, ('%s under load: %s'):format(server.protocol, why)
  end
  local figures = cjson.decode(text)
  if figures.errors > 0 and not refusals then
    return nil,
      ('%s: %d of %d calls failed: %s'):format(
        server.protocol,
        figures.errors,
        (figures.calls or figures.held or 0) + figures.errors,
        figures.first_error or 'see above'
      )
  end
  return figures
end

---The same while another process computes on the server's cores, as nice as an executor is.
---@param server bench.Server
---@param options any[] of the load generator
---@return table? figures nil with a reason
---@return string? reason
function M.load_beside(server, options)
  local burner = process.spawn(
    { 'nice', '-n', '10', '/bin/sh', '-c', 'while :; do :; done' },
    { log = servers.log_name 'burner', cores = servers.cores }
  )
  local figures, why = M.load(server, options)
  process.stop(burner)
  return figures, why
end

local OVERLOAD = 3 -- times what the server can do
local USUAL = 0.5
local DEADLINE_MS = 100

-- One load on `burn`: closed without a rate, else open, each call with the deadline.
local function burn(server, rate, warm)
  local words = { '--method', 'burn', '--methods', 0, '--timeout', DEADLINE_MS }
  for _, word in ipairs(rate and { '--rate', math.floor(rate) } or { '--depth', 4 }) do
    words[#words + 1] = word
  end
  if warm then
    words[#words + 1], words[#words + 2] = '--warm', warm
  end
  return M.load(server, words, rate ~= nil)
end

---A server with a handler of 200 us, in turn: saturated by a closed loop (its capacity), under the
---usual load, offered three times what it can do, and a second later under the usual load again.
---@param server bench.Server
---@return table? figures nil with a reason
---@return string? reason
function M.overload(server)
  local full, why = burn(server)
  if not full then
    return nil, why
  end
  local words = { '--method', 'full', '--methods', 0 }
  local runs = {
    before = burn(server, full.rps * USUAL),
    during = burn(server, full.rps * OVERLOAD),
    after = burn(server, full.rps * USUAL, 1),
    refused = M.load(server, words, true),
  }
  for _, name in ipairs { 'before', 'during', 'after', 'refused' } do
    if not runs[name] then
      return nil, 'no figures of the load ' .. name
    end
  end
  return {
    capacity = full.good / full.seconds,
    goodput = runs.during.good / runs.during.seconds,
    handled_us = full.server_cpu_us,
    refusal_us = runs.refused.server_cpu_s * 1e6 / math.max(1, runs.refused.refused),
    p99_before_us = runs.before.p99_us,
    p99_after_us = runs.after.p99_us,
  }
end

local RELOADS = 4

---The same open load in turn: left alone, and with a few reloads of the script in the window.
---@param server bench.Server
---@param rate number  calls a second
---@return table? figures nil with a reason
---@return string? reason
function M.reload(server, rate)
  local words = { '--rate', rate }
  local before, why = M.load(server, words)
  if not before then
    return nil, why
  end
  local during
  during, why = M.load(server, { '--rate', rate, '--hup', RELOADS })
  if not during then
    return nil, why
  end
  return {
    p99_before_us = before.p99_us,
    p99_during_us = during.p99_us,
    cpu_before_us = before.server_cpu_us,
    cpu_during_us = during.server_cpu_us,
  }
end

local function start_client(server, options)
  local binary, why = servers.perilune_binary()
  if not binary then
    return nil, why
  end
  local env = {
    BENCH_URL = 'joyrpc://127.0.0.1:' .. server.port,
    BENCH_IN_FLIGHT = options.in_flight,
    BENCH_MODE = options.mode,
    BENCH_NODES = options.nodes,
    BENCH_WARM_MS = M.warm * 1000 * (options.in_flight > 1000 and 4 or 1),
    BENCH_WINDOW_MS = M.seconds * 1000,
  }
  local argv = { binary, 'run', M.here .. '/lua/' .. (options.script or 'client.lua') }
  return servers.spawn_client('client', argv, env, M.load_core and { M.load_core })
end

local function await_line(client, word, seconds)
  local line = process.read_line(client, seconds)
  local value = line and line:match('^' .. word .. ' (%d+)$')
  if value then
    return tonumber(value)
  end
  process.pause(100)
  return nil, ('the client: %s'):format(line or process.last_words(client))
end

local function window(client, server)
  local before, why = await_line(client, 'begin', M.warm * 4 + 70)
  local client_cpu, server_cpu = process.cpu(client.pid), process.cpu(server.pid)
  if not before then
    return nil, why
  end
  local after, why_not = await_line(client, 'end', M.seconds + 30)
  local figures = {
    client_cpu = process.cpu(client.pid) - client_cpu,
    server_cpu = process.cpu(server.pid) - server_cpu,
  }
  if not after then
    return nil, why_not
  end
  local calls = math.max(1, after - before)
  figures.client_cpu_us = figures.client_cpu * 1e6 / calls
  figures.server_cpu_us = figures.server_cpu * 1e6 / calls
  return figures
end

---Runs the Lua client once: CPU time per call of both ends.
---@param server bench.Server
---@param options { in_flight: integer, script: string?, nodes: integer? }
---@return table? figures nil with a reason
---@return string? reason
function M.client(server, options)
  local client, why = start_client(server, options)
  if not client then
    return nil, why
  end
  local figures, reason = window(client, server)
  local trouble = figures and process.read_line(client, 10)
  process.stop(client)
  if trouble then
    return nil, 'the client: ' .. trouble
  end
  return figures, reason
end

---Runs one policy after the other in a client: CPU time in ns of a choice or call of each.
---@param server bench.Server
---@param count integer of nodes
---@return table? figures nil with a reason
---@return string? reason
function M.policies(server, count)
  local binary, why = servers.perilune_binary()
  if not binary then
    return nil, why
  end
  local env = {
    BENCH_URL = 'joyrpc://127.0.0.1:' .. server.port,
    BENCH_NODES = count,
    BENCH_WINDOW_MS = M.seconds * 1000,
  }
  local text
  text, why = process.run(
    { binary, 'run', '--workers', '1', M.here .. '/lua/policies.lua' },
    { log = servers.log_name 'policies', env = env, cores = M.load_core and { M.load_core } },
    M.seconds * 4 + 90
  )
  local line = text and text:match '{.-}'
  if not line then
    return nil, ('the policies: %s'):format(why or text)
  end
  return cjson.decode(line)
end

local function held_memory(client, count)
  local ok, why = await_line(client, 'begin', 30)
  local before = process.settled_rss(client.pid)
  if not ok then
    return nil, why
  end
  ok, why = await_line(client, 'held', 60)
  if not ok then
    return nil, why
  end
  return { kib_each = (process.settled_rss(client.pid) - before) / count / 1024 }
end

---Memory of each call a Lua client has in flight.
---@param server bench.Server
---@param count integer
---@return table? figures nil with a reason
---@return string? reason
function M.client_memory(server, count)
  local client, why = start_client(server, { in_flight = count, mode = 'hold' })
  if not client then
    return nil, why
  end
  local figures, reason = held_memory(client, count)
  process.stop(client)
  return figures, reason
end

---Memory of each waiting handler or idle connection of a server.
---@param server bench.Server
---@param options any[] of the load generator
---@return table? figures nil with a reason
---@return string? reason
function M.server_memory(server, options)
  local figures, why = M.load(server, options)
  if not figures then
    return nil, why
  end
  return { kib_each = figures.bytes_each / 1024 }
end

---Runs one of the scripts that measure inside a single VM and print one JSON object.
---@return table? figures nil with a reason
---@return string? reason
function M.costs()
  local binary, why = servers.perilune_binary()
  if not binary then
    return nil, why
  end
  local argv = { binary, 'run', '--workers', '1', M.here .. '/lua/costs.lua' }
  local text, reason =
    process.run(argv, { log = servers.log_name 'costs', cores = servers.cores }, 60)
  if not text then
    return nil, reason
  end
  return cjson.decode(text)
end

---Runs the timer comparison, which needs no server.
---@return table? figures nil with a reason
---@return string? reason
function M.timers()
  local text, why = process.run(
    { servers.build .. '/bench/timers' },
    { log = servers.log_name 'timers', cores = servers.cores },
    120
  )
  if not text then
    return nil, why
  end
  return cjson.decode(text)
end

local HOME = os.getenv 'HOME' or ''
local CAUCHO = HOME .. '/.m2/repository/com/caucho/hessian/4.0.66/hessian-4.0.66.jar'
local CACHE = (os.getenv 'XDG_CACHE_HOME' or HOME .. '/.cache') .. '/perilune/bench'
local FETCH_S = 120

local function there(path)
  local file = io.open(path)
  if file then
    file:close()
  end
  return file ~= nil
end

-- What others wrote is fetched once, by its own package manager, to a folder outside the tree.
local function fetched(path, command)
  if there(path) then
    return true
  end
  process.run({ '/bin/sh', '-c', command }, { log = servers.log_name 'fetch' }, FETCH_S)
  return there(path)
end

-- What each implementation of Hessian is run with, and what it takes to have it.
local hessians = {
  perilune = function()
    return servers.build .. '/bench/hessian %s'
  end,
  caucho = function(folder)
    local get = 'mvn -q dependency:get -Dartifact=com.caucho:hessian:4.0.66'
    if not fetched(CAUCHO, get) then
      return nil, get
    end
    return (
      'java --add-opens java.base/java.lang=ALL-UNNAMED --add-opens '
      .. 'java.base/java.util=ALL-UNNAMED -cp %s %s/HessianBench.java %%s'
    ):format(CAUCHO, folder)
  end,
  ['hessian.js'] = function(folder)
    local get = ('npm install --silent --prefix "%s" hessian.js@2.11.0'):format(CACHE)
    local modules = CACHE .. '/node_modules'
    if not fetched(modules .. '/hessian.js/package.json', get) then
      return nil, get
    end
    return ('NODE_PATH="%s" node %s/hessian.js %%s'):format(modules, folder)
  end,
}

---Hessian of a nested object with 20 fields, by one implementation.
---@param name string
---@return table? figures
---@return string? reason
function M.hessian(name)
  local folder = M.here .. '/hessian'
  local command, wanted = hessians[name](folder)
  if not command then
    return nil, ('%s is missing: %s'):format(name, wanted)
  end
  local line = command:format(M.seconds * 2) .. ' < ' .. folder .. '/order.hex'
  local text, why = process.run(
    { '/bin/sh', '-c', 'exec env ' .. line },
    { log = servers.log_name 'hessian', cores = servers.cores },
    120
  )
  if not text or not text:match '^{' then
    return nil, ('%s does not run: %s'):format(name, why or text)
  end
  return cjson.decode(text)
end

return M
