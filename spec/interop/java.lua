-- SPDX-License-Identifier: MIT
-- The Java peers: built once with Maven, started and ended by pid with limits of time.
--
--   local why = java.missing()                  nil, or why nothing of this can run
--   local provider = java.provider('joyrpc', { alias = 'prod' })     provider.port
--   local seen = java.cases('joyrpc', { port = 22000 }, { 'sync' })  { sync = true, ... = 'why not' }
--   java.stop_all()
local child = require 'spec.support.child'
local ffi = require 'ffi'

ffi.cdef [[
int socket(int domain, int type, int protocol);
int bind(int fd, const void *address, unsigned len);
int getsockname(int fd, void *address, unsigned *len);
]]

local M = {}

-- The modules of Dubbo's versions.
M.DUBBO = { ['2.7'] = 'dubbo2', ['3.2'] = 'dubbo3', ['3.3'] = 'dubbo33' }

local TOP = 'spec/interop/java'
local BUILD_LIMIT, START_LIMIT, CASES_LIMIT = 600, 60, 120 -- seconds

local OPENED = {
  'java.lang',
  'java.lang.reflect',
  'java.util',
  'java.util.concurrent',
  'java.time',
  'java.math',
  'java.io',
  'java.net',
  'java.text',
}

local processes = {}

local function has(program)
  return os.execute(('command -v %s >/dev/null 2>&1'):format(program)) == 0
end

local checked, reason = false, nil

-- Maven compares dates by itself, but takes seconds for it: a stamp says that nothing is newer.
local function is_built()
  local stamp = TOP .. '/target/built'
  local sources = "\\( -name '*.java' -o -name pom.xml \\)"
  local newer = ('test -z "$(find %s %s -newer %s)"'):format(TOP, sources, stamp)
  return os.execute(('test -f %s && %s'):format(stamp, newer)) == 0
end

local function build()
  if is_built() then
    return nil
  end
  local maven = child.start { 'mvn', '-q', '-B', '-f', TOP .. '/pom.xml', 'package' }
  local ok, exit = pcall(maven.wait, maven, BUILD_LIMIT)
  if not ok or exit.code ~= 0 then
    return 'Maven cannot build the Java peers (no network?): ' .. maven.output:sub(1, 400)
  end
  os.execute(('mkdir -p %s/target && touch %s/target/built'):format(TOP, TOP))
end

-- Why no Java peer can run here, or nil. Builds them the first time.
---@return string? reason
function M.missing()
  if not checked then
    checked = true
    if not has 'java' or not has 'mvn' then
      reason = 'java and mvn are wanted (packages.txt, group interop)'
    else
      reason = build()
    end
  end
  return reason
end

-- A port of the loopback that nobody listened on a moment ago, for peers that cannot choose one.
---@return integer
function M.free_port()
  local fd = ffi.C.socket(2, 1, 0)
  local address, len = ffi.new 'uint8_t[16]', ffi.new('unsigned[1]', 16)
  ffi.cast('uint16_t *', address)[0] = 2
  address[4], address[7] = 127, 1
  assert(ffi.C.bind(fd, address, 16) == 0 and ffi.C.getsockname(fd, address, len) == 0)
  ffi.C.close(fd)
  return address[2] * 256 + address[3]
end

local major

-- The version of Java, 8 or 17.
---@return integer
function M.version()
  if not major then
    local pipe = assert(io.popen 'java -version 2>&1')
    local text = pipe:read '*a'
    pipe:close()
    major = tonumber(text:match 'version "1%.(%d+)' or text:match 'version "(%d+)') or 8
  end
  return major
end

-- Java 8 has no modules to open, and does not know the option.
local function openings()
  local argv = {}
  if M.version() > 8 then
    for _, package in ipairs(OPENED) do
      argv[#argv + 1] = '--add-opens'
      argv[#argv + 1] = ('java.base/%s=ALL-UNNAMED'):format(package)
    end
  end
  return argv
end

local opened

-- Starts a class of a module.
---@param module string    a folder of spec/interop/java
---@param class string
---@param settings table<string, any>  `without`: part of the names of jars that are left out; `heap`
---@param words? string[]
---@return peri.spec.Process
function M.start(module, class, settings, words)
  local target = ('%s/%s/target'):format(TOP, module)
  -- There, because JoyRPC compiles classes of its own and leaves them where it was started.
  local without = settings.without or 'no such jar'
  local run = 'cd "$0" && CLASSPATH=$(ls *-1.jar lib/*.jar | grep -v "$1" | tr "\\n" ":") && shift'
    .. ' && export CLASSPATH && exec java "$@"'
  local argv = { 'sh', '-c', run, target, without, '-Xmx' .. (settings.heap or '256m') }
  for _, option in ipairs { '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto' } do
    argv[#argv + 1] = option
  end
  opened = opened or openings()
  for _, option in ipairs(opened) do
    argv[#argv + 1] = option
  end
  argv[#argv + 1] = class
  for key, value in pairs(settings) do
    argv[#argv + 1] = ('%s=%s'):format(key, tostring(value))
  end
  for _, word in ipairs(words or {}) do
    argv[#argv + 1] = word
  end
  local process = child.start(argv, { input = true })
  processes[#processes + 1] = process
  return process
end

local function package_of(module)
  return module:match '^dubbo' and 'demo.dubbo' or 'demo.' .. module
end

-- Starts a provider and waits until it serves, on a port of its own unless one is given.
---@param module string
---@param settings? table<string, any>
---@return peri.spec.Process provider  with `port`
function M.provider(module, settings)
  local all = { port = M.free_port() }
  for key, value in pairs(settings or {}) do
    all[key] = value
  end
  local process = M.start(module, package_of(module) .. '.Provider', all)
  process:wait_line('ready\n', START_LIMIT)
  process.port = all.port
  return process
end

-- Runs cases of a consumer to their end: case name -> true, or what went wrong.
---@param module string
---@param settings table<string, any>
---@param names? string[]  default all
---@return table<string, true|string> results
---@return string[] order
function M.cases(module, settings, names)
  local process = M.start(module, package_of(module) .. '.Consumer', settings, names)
  local ok, why = pcall(process.wait_line, process, '\ndone\n', CASES_LIMIT)
  process:stop()
  local results, order = {}, {}
  for line in process.output:gmatch '[^\n]+' do
    local name, wrong = line:match '^not ok ([^:]+): (.*)$'
    name = name or line:match '^ok (.+)$'
    if name then
      results[name], order[#order + 1] = wrong or true, name
    end
  end
  if not ok and #order == 0 then
    error(why, 2)
  end
  return results, order
end

-- Ends every process that was started here.
function M.stop_all()
  for _, process in ipairs(processes) do
    process:stop()
  end
  processes = {}
end

return M
