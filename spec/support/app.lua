-- SPDX-License-Identifier: MIT
-- Entrypoints in functional specs: writes a script, runs it with the binary, waits until it serves.
--
--   local server = app.serve [[ perilune.export {...} perilune.listen 'tcp://127.0.0.1:0' ]]
--   app.call(server, 'demo.Greeter.hello', '["moon"]')
local child = require 'spec.support.child'
local eventually = require 'spec.support.eventually'

local M = {}

local files, processes = {}, {}

-- A file with the given text; removed by M.stop_all.
---@param text string
---@param name? string
---@return string path
function M.script(text, name)
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute(('mkdir -m 700 %s'):format(folder)) == 0)
  local path = folder .. '/' .. (name or 'app.lua')
  local file = assert(io.open(path, 'w'))
  file:write(text)
  file:close()
  files[#files + 1] = folder
  return path
end

local function lines(path)
  local file = io.open(path)
  if not file then
    return nil
  end
  local result = {}
  for line in file:lines() do
    result[#result + 1] = line
  end
  file:close()
  return result
end

-- Starts an entrypoint without waiting for anything.
---@param text string
---@param options? {args?: string[], env?: table<string, string>, path?: string}  path: of a script that is there
---@return table process
function M.start(text, options)
  local path = options and options.path or M.script("local perilune = require 'perilune'\n" .. text)
  local argv = { child.binary(), 'run', path }
  for _, arg in ipairs(options and options.args or {}) do
    argv[#argv + 1] = arg
  end
  local env = { PERILUNE_PORT_FILE = path .. '.ports', PERILUNE_LOG_FORMAT = 'json' }
  for key, value in pairs(options and options.env or {}) do
    env[key] = value
  end
  local process = child.start(argv, { env = env })
  process.path, process.port_file = path, env.PERILUNE_PORT_FILE
  processes[#processes + 1] = process
  return process
end

-- Starts an entrypoint and waits until it serves. `url` is its first address as a joyrpc URL.
function M.serve(text, options)
  local process = M.start(text, options)
  eventually(function()
    if not process:running() then
      process:wait()
      error('the server ended:\n' .. process.output)
    end
    process.urls = lines(process.port_file)
    return process.urls
  end, { what = 'the port file' })
  process.url = process.urls[1] and process.urls[1]:gsub('^tcp', 'joyrpc')
  return process
end

-- A busy machine's warnings (WORKER-STUCK) are no part of what a command has to say.
local QUIET = { env = { PERILUNE_LOG_LEVEL = 'error' } }

-- Calls through the command line; further words are further arguments.
function M.call(server, method, args, ...)
  return child.run({ child.binary(), 'call', server.url, method, args or '[]', ... }, QUIET)
end

-- Starts such a call and does not wait for it.
function M.begin_call(server, method, args, ...)
  local process =
    child.start({ child.binary(), 'call', server.url, method, args or '[]', ... }, QUIET)
  processes[#processes + 1] = process
  return process
end

-- Ends every process that still runs and removes the scripts; for after_each.
function M.stop_all()
  for _, process in ipairs(processes) do
    process:stop()
  end
  for _, folder in ipairs(files) do
    os.execute(('rm -rf %s'):format(folder))
  end
  files, processes = {}, {}
end

return M
