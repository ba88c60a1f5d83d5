-- SPDX-License-Identifier: MIT
-- The servers of a comparison: how each is started, and how it says that it is ready. All listen
-- on loopback, on a port of their own.

local cjson = require 'cjson'
local ffi = require 'ffi'
local java = require 'java'
local process = require 'process'

ffi.cdef [[
struct bench_address { uint16_t family; uint8_t port[2]; uint8_t ip[4]; uint8_t zero[8]; };
int socket(int domain, int type, int protocol);
int bind(int fd, const void *address, unsigned length);
int connect(int fd, const void *address, unsigned length);
int getsockname(int fd, void *address, unsigned *length);
]]

local READY_S = 15
local JAVA_READY_S = 60

---@class bench.Servers
---@field build string folder of the built binaries
---@field folder string for logs and what servers write
---@field cores integer[]? of the servers
local M = { build = 'build/release', folder = nil, cores = nil }

---@class bench.Server
---@field process bench.Process
---@field port integer
---@field pid integer
---@field protocol string for the load generator

local function address(port)
  local it = ffi.new 'struct bench_address[1]'
  it[0].family = 2
  it[0].port[0], it[0].port[1] = math.floor(port / 256), port % 256
  it[0].ip[0], it[0].ip[3] = 127, 1
  return it
end

-- For servers that cannot choose one themselves. Somebody may take it in between; the server then
-- fails to start and says so.
local function free_port()
  local fd = ffi.C.socket(2, 1, 0)
  local it, length = address(0), ffi.new('unsigned[1]', 16)
  assert(ffi.C.bind(fd, it, 16) == 0 and ffi.C.getsockname(fd, it, length) == 0, 'no free port')
  ffi.C.close(fd)
  return it[0].port[0] * 256 + it[0].port[1]
end

local function answers(port)
  local fd = ffi.C.socket(2, 1, 0)
  local rc = ffi.C.connect(fd, address(port), 16)
  ffi.C.close(fd)
  return rc == 0
end

local function exists(path)
  local file = io.open(path)
  if file then
    file:close()
  end
  return file ~= nil
end

local function find(name)
  for folder in (os.getenv 'PATH' or ''):gmatch '[^:]+' do
    if exists(folder .. '/' .. name) then
      return folder .. '/' .. name
    end
  end
end

local count = 0
local function log_name(name)
  count = count + 1
  return ('%s/%s-%d.log'):format(M.folder, name, count)
end

-- Waits for `ready()` to give a port.
local function await(proc, protocol, ready, seconds)
  seconds = seconds or READY_S
  local limit = process.now() + seconds
  while process.now() < limit do
    local port = ready()
    if port then
      return { process = proc, pid = proc.pid, port = port, protocol = protocol }
    end
    if process.code(proc) then
      return nil, ('%s did not start: %s'):format(protocol, process.last_words(proc))
    end
    process.pause(20)
  end
  process.stop(proc)
  return nil,
    ('%s was not ready within %d s: %s'):format(protocol, seconds, process.last_words(proc))
end

local function spawn(name, argv, env, cores)
  return process.spawn(argv, { cores = cores or M.cores, env = env, log = log_name(name) })
end

local starters = {}

function starters.floor()
  local binary = M.build .. '/bench/floor'
  if not exists(binary) then
    return nil, binary .. ' is not built'
  end
  local proc = spawn('floor', { binary })
  return await(proc, 'floor', function()
    return tonumber(process.read_line(proc, 0.1))
  end)
end

function starters.redis()
  local binary = find 'redis-server'
  if not binary then
    return nil, 'redis-server is not installed'
  end
  local port = free_port()
  local proc = spawn('redis', {
    binary,
    '--port',
    tostring(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    M.folder,
    '--loglevel',
    'warning',
  })
  return await(proc, 'redis', function()
    return answers(port) and port
  end)
end

function starters.tarantool(options)
  local binary = find 'tarantool'
  if not binary then
    return nil, 'tarantool is not installed'
  end
  local port = free_port()
  local env = { BENCH_LISTEN = '127.0.0.1:' .. port, BENCH_DIR = M.folder }
  local proc = spawn('tarantool', { binary, options.here .. '/tarantool.lua' }, env)
  return await(proc, 'tarantool', function()
    return answers(port) and port
  end)
end

local function read_ports(path)
  local file = io.open(path)
  local text = file and file:read '*a' or ''
  if file then
    file:close()
  end
  return tonumber(text:match ':(%d+)%s*\n')
end

---@return string? binary nil with a reason
function M.perilune_binary()
  local binary = M.build .. '/perilune'
  if exists(binary) then
    return binary
  end
  return nil, binary .. ' is not built'
end

function starters.perilune(options)
  local binary, why = M.perilune_binary()
  if not binary then
    return nil, why
  end
  local ports = log_name 'ports'
  local env = {
    PERILUNE_PORT_FILE = ports,
    BENCH_METHODS = options.methods or 1,
    BENCH_FILTERS = options.filters or 5,
    BENCH_BALLAST = options.ballast or 0,
    BENCH_BUILTIN = options.builtin or 'none',
    BENCH_EXECUTOR = options.executor,
    BENCH_BURN = options.burn,
    BENCH_LISTEN = options.listen,
    -- A moment in which somebody else has the core must not turn into refused calls; and a hundred
    -- thousand calls from one client wait longer, and are more, than is wise to allow.
    PERILUNE_QUEUE_AGE = options.patient and 0 or not options.script and 2000 or nil,
    PERILUNE_CALLS_PER_CONNECTION = options.patient and 1000000 or nil,
  }
  local script = options.here .. '/lua/' .. (options.script or 'server.lua')
  local argv = { binary, 'run', script, '--workers', tostring(options.workers or 1) }
  if options.executor or options.burn then
    argv[#argv + 1] = '--executors'
    argv[#argv + 1] = '1'
  end
  local proc = spawn('perilune', argv, env)
  return await(proc, 'perilune', function()
    return read_ports(ports)
  end)
end

-- What a consumer of demo.Probe says, for the load generator.
M.ECHO = { '--interface', 'demo.Probe', '--alias', 'prod', '--method', 'echoString' }

local function warm_argv(server)
  local argv = { M.build .. '/bench/load', '--protocol', server.protocol }
  local words = { '--port', server.port, '--pid', server.pid, '--warm', 0, '--seconds', java.warm }
  for _, list in ipairs { words, M.ECHO } do
    for _, word in ipairs(list) do
      argv[#argv + 1] = tostring(word)
    end
  end
  return argv
end

-- Until its compiler has had its say: a piece of load is hardly cheaper than the best one before.
local function warm_up(server)
  local argv, best = warm_argv(server), math.huge
  for _ = 1, java.times do
    local text, why = process.run(argv, { log = log_name 'warm' }, java.warm + 60)
    if not text then
      process.stop(server.process)
      return nil, ('%s under load: %s'):format(server.protocol, why)
    end
    local cost = cjson.decode(text).server_cpu_us
    if cost > best * 0.97 then
      break
    end
    best = cost
  end
  return server
end

function starters.java(options)
  local folder = options.here .. '/../spec/interop/java'
  local why = java.missing(folder, log_name 'maven')
  if why then
    return nil, why
  end
  local port = free_port()
  local proc = spawn(options.module, java.argv(folder, options.module, port))
  local protocol = options.module:gsub('%d$', '')
  local server, reason = await(proc, protocol, function()
    local line = process.read_line(proc, 0.1)
    return line == 'ready' and port
  end, JAVA_READY_S)
  if not server then
    return nil, reason
  end
  return warm_up(server)
end

---@param kind string floor, redis, tarantool, perilune or java
---@param options table
---@return bench.Server? server nil with a reason
---@return string? reason
function M.start(kind, options)
  return starters[kind](options)
end

---@param server bench.Server
function M.stop(server)
  process.stop(server.process)
end

---@param name string
---@param argv string[]
---@param env table<string, any>
---@param cores integer[]?
---@return bench.Process
function M.spawn_client(name, argv, env, cores)
  return spawn(name, argv, env, cores)
end

M.log_name = log_name

return M
