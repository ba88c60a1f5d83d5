-- SPDX-License-Identifier: MIT
-- The runtime inside another program (src/perilune.h): its control VM runs `main`, its first worker
-- answers the calls that the program makes.
local core = require 'perilune.core'
local errors = require 'perilune.error'
local generation = require 'perilune.generation'
local plugin = require 'perilune.plugin'

local M = {}

-- By generation, and there by name.
local exposed = {} ---@type table<integer, table<string, fun(argument: string): string?, any>>

-- Lets the program around this runtime call `fn` with a text (peri_runtime_call). It may wait;
-- returns a text, or nil and an error. In a runtime of its own nobody calls.
---@param name string
---@param fn fun(argument: string): string?, any
function M.expose(name, fn)
  if type(name) ~= 'string' or name:find '%c' or type(fn) ~= 'function' then
    error(plugin.place() .. ': perilune.expose needs a name and a function', 0)
  end
  local owner = generation.owner()
  exposed[owner] = exposed[owner] or {}
  exposed[owner][name] = fn
end

-- Forgets what a generation exposed.
---@param number integer
function M.drop(number)
  exposed[number] = nil
end

local function current()
  return exposed[generation.active] or {}
end

local function known()
  local names = {}
  for name in pairs(current()) do
    names[name] = true
  end
  return names
end

---@async
local function call(name, argument)
  local fn = current()[name] or exposed[0] and exposed[0][name]
  if not fn then
    return nil,
      errors.new(
        'NOT_FOUND',
        ("nothing exposed as '%s'%s"):format(name, errors.suggest(name, known()))
      )
  end
  local ok, result, err = xpcall(fn, function(thrown)
    return errors.is(thrown) and thrown or debug.traceback(tostring(thrown), 2)
  end, argument)
  if not ok then
    return nil, errors.is(result) and result or errors.new('INTERNAL', result)
  elseif err ~= nil then
    return nil, errors.from(err)
  elseif result ~= nil and type(result) ~= 'string' then
    return nil,
      errors.new('INTERNAL', ("'%s' returned a %s, not a string"):format(name, type(result)))
  end
  return result or ''
end

-- Answers the program's calls. Once, in the first worker.
function M.serve()
  core.on_message('embed.call', function(payload)
    local id, name, argument = payload:match '^(%d+) ([^\n]*)\n(.*)$'
    local result, err = call(name, argument)
    core.embed_answer(tonumber(id), err and err.code or nil, err and err.message or result)
  end)
end

-- "name=value" ..., "--", script, arguments
local function arguments()
  local settings = require 'perilune.process.settings'
  local flags, args = {}, {}
  local i = 1
  while core.argv[i] ~= '--' do
    local name, value = core.argv[i]:match '^([^=]+)=(.*)$'
    if not name then
      return nil, ("setting '%s': write NAME=VALUE"):format(core.argv[i])
    end
    flags[name] = settings.value(name, value)
    i = i + 1
  end
  for k = i + 2, #core.argv do
    args[#args + 1] = core.argv[k]
  end
  return flags, core.argv[i + 1], args
end

---@async
local function start()
  local flags, script, args = arguments()
  if not flags then
    return nil, script
  end
  local conf, message = require('perilune.cli.settings').resolve(flags, os.getenv 'PERILUNE_CONFIG')
  if not conf then
    return nil, message
  end
  conf.path, conf.args = script, args
  return require('perilune.process.run').start(conf)
end

-- Runs the entrypoint that the program named.
---@async
function M.main()
  local ok, started, message = pcall(start)
  if not ok or not started then
    message = tostring(ok and message or started)
    core.log('error', 'START', message)
    core.embed_failed(message)
    core.exit(1)
  end
end

return M
