-- SPDX-License-Identifier: MIT
-- The command line. Commands live in perilune.cli.<name>: { summary, describe(parser), run(args) }.
-- `run` works in a fiber of the control VM and returns the exit code, or nil when the process goes on
-- by itself (`run`). Exit 0 is success, 1 failure, 2 wrong usage.
local argparse = require 'argparse'
local core = require 'perilune.core'
local errors = require 'perilune.error'
local plugin = require 'perilune.plugin'
local terminal = require 'perilune.cli.terminal'

local M = {}

local COMMANDS = plugin.get_point('command').builtin

-- A way out of argparse, which would end the process itself.
local Stop = {}

local function stop(code, text)
  error(setmetatable({ code = code, text = text }, Stop), 0)
end

local function add_help(parser)
  parser:add_help(false)
  parser:flag('-h --help', 'Show this help and exit.'):action(function()
    stop(0, parser:get_help())
  end)
end

local function make_parser(commands)
  local parser =
    argparse('perilune', 'Runs Lua services and policies; calls, measures and tests them.')
  parser:require_command(false)
  parser:help_description_margin(32)
  add_help(parser)
  parser:flag('-v --version', 'Show the version and exit.'):action(function()
    stop(0, 'perilune ' .. tostring(core.version))
  end)
  parser:command_target 'command'
  for _, name in ipairs(COMMANDS) do
    local command = parser:command(name, commands[name].summary)
    add_help(command)
    commands[name].describe(command)
  end
  parser.error = function(_, message)
    local first = core.argv[1]
    local help = commands[first] and first .. ' --help' or '--help'
    stop(2, ('%s; see perilune %s'):format(message, help))
  end
  return parser
end

local function load_commands()
  local commands = {}
  for _, name in ipairs(COMMANDS) do
    commands[name] = require('perilune.cli.' .. name)
  end
  return commands
end

-- Everything after the program's name, as argparse wants it; `help X` is X --help.
local function arguments()
  local list = {}
  for i = 1, #core.argv do
    list[i] = core.argv[i]
  end
  if list[1] == 'help' then
    table.remove(list, 1)
    list[#list + 1] = '--help'
  end
  return list
end

-- The parser of the whole command line, for what is generated from it.
---@return table
function M.parser()
  return make_parser(load_commands())
end

-- A command that is installed as a plugin, or nil. It gets the words behind its name as a list, or what the
-- parser it describes makes of them.
local function installed(commands, words)
  local name = words[1]
  if not name or commands[name] or name:sub(1, 1) == '-' then
    return nil
  end
  local found, message = plugin.find('command', name)
  if not found then
    return message and message:match 'does not load' and stop(1, message) or nil
  end
  local command, wrong = plugin.instantiate(found)
  if command == nil then
    stop(1, wrong)
  end
  return type(command) == 'function' and { run = command } or command
end

local function run_installed(command, words)
  local name, args = words[1], { unpack(words, 2) }
  if command.parser then
    local parser = argparse('perilune ' .. name, command.help)
    add_help(parser)
    parser.error = function(_, text)
      stop(2, ('%s; see perilune %s --help'):format(text, name))
    end
    command.parser(parser)
    args = parser:parse(args)
  elseif args[1] == '--help' and command.help then
    stop(0, command.help)
  end
  local code, message = command.run(args)
  if message then
    terminal.complain(('%s: %s'):format(name, message))
  end
  return code or 0
end

local function run()
  local commands = load_commands()
  local words = arguments()
  local plugged = installed(commands, words)
  if plugged then
    return run_installed(plugged, words)
  end
  local parser = make_parser(commands)
  local args = parser:parse(words)
  if not args.command then
    stop(2, 'a command is missing; see perilune --help')
  end
  local command = commands[args.command]
  local code, message = command.run(args)
  if message then
    terminal.complain(('%s: %s'):format(args.command, message))
  end
  return code
end

local function on_error(err)
  if getmetatable(err) == Stop or errors.is(err) then
    return err
  end
  return debug.traceback(tostring(err), 2)
end

-- Runs the command line of this process and ends it.
---@async
function M.main()
  local ok, code = xpcall(run, on_error)
  if not ok then
    local err = code
    if getmetatable(err) ~= Stop then
      terminal.complain(tostring(err))
      code = 1
    elseif err.code == 0 then
      io.stdout:write(err.text, '\n')
      code = 0
    else
      terminal.complain(err.text)
      code = err.code
    end
  end
  io.stdout:flush()
  if code then
    -- In a broken installation it is not there to be closed.
    local found, declare = pcall(require, 'perilune.entry.declare')
    if found then
      pcall(declare.close)
    end
    core.exit(code)
  end
end

M.stop = stop

return M
