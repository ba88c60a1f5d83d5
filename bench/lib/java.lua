-- SPDX-License-Identifier: MIT
-- Stock Java providers under measurement: those of spec/interop/java, built there by Maven when they
-- are not, warmed up until the compiler has had its say.

local process = require 'process'

local BUILD_S = 600

---@class bench.Java
---@field warm number seconds of load at a time, before anything is measured
---@field times integer most of them
local M = { warm = 5, times = 10 }

local CLASSES = {
  joyrpc = 'demo.joyrpc.Provider',
  dubbo2 = 'demo.dubbo.Provider',
  dubbo3 = 'demo.dubbo.Provider',
}

-- What the libraries of both reach into, which a JDK above 8 forbids.
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

-- Each has the 200 threads of its defaults; but without a queue it refuses what is beyond them,
-- and 8 x 32 are more.
local THREADS, QUEUE = 200, 1024

local function is_built(folder)
  local sources = "\\( -name '*.java' -o -name pom.xml \\)"
  local test = ('test -f %s/target/built && test -z "$(find %s %s -newer %s/target/built)"'):format(
    folder,
    folder,
    sources,
    folder
  )
  return os.execute(test) == 0
end

local function has(program)
  return os.execute(('command -v %s >/dev/null 2>&1'):format(program)) == 0
end

---Why none can run here; builds them the first time.
---@param folder string  spec/interop/java
---@param log string
---@return string? reason
function M.missing(folder, log)
  if not has 'java' or not has 'mvn' then
    return 'a JDK and Maven are not installed (packages.txt, group interop)'
  end
  if is_built(folder) then
    return nil
  end
  local text = process.run(
    { 'mvn', '-q', '-B', '-f', folder .. '/pom.xml', 'package' },
    { log = log },
    BUILD_S
  )
  if not text then
    return 'Maven cannot build the Java providers (no network?), see spec/interop/java'
  end
  os.execute(('mkdir -p %s/target && touch %s/target/built'):format(folder, folder))
end

---The command of one, which says `ready` and ends when its input does.
---@param folder string
---@param module string  joyrpc, dubbo2 or dubbo3
---@param port integer
---@return string[] argv
function M.argv(folder, module, port)
  -- There, because JoyRPC compiles classes of its own beside itself.
  local target = ('%s/%s/target'):format(folder, module)
  local argv = { '/bin/sh', '-c', 'cd "$0" && exec java "$@"', target, '-Xmx512m' }
  for _, package in ipairs(OPENED) do
    argv[#argv + 1] = '--add-opens'
    argv[#argv + 1] = ('java.base/%s=ALL-UNNAMED'):format(package)
  end
  for _, word in ipairs {
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
    '-cp',
    ('%s-1.jar:.:lib/*'):format(module),
    CLASSES[module],
    'port=' .. port,
    'threads=' .. THREADS,
    'queue=' .. QUEUE,
  } do
    argv[#argv + 1] = word
  end
  return argv
end

return M
