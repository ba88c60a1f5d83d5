-- SPDX-License-Identifier: MIT
local core = require 'perilune.core'
local declare = require 'perilune.entry.declare'
local executors = require 'perilune.entry.executors'
local options = require 'perilune.entry.options'
local registration = require 'perilune.process.registration'
local settings = require 'perilune.cli.settings'
local terminal = require 'perilune.cli.terminal'

local M = { summary = 'Load an entrypoint, validate it, report; open nothing.' }

function M.describe(parser)
  parser:argument('script', 'The Lua file to check.')
  parser:argument('args', 'Arguments of the script, after --.'):args '*'
  settings.describe(parser)
  parser:flag('--json', 'As one JSON object.')
end

local function with_alias(spec)
  return spec.alias ~= '' and spec.interface .. ':' .. spec.alias or spec.interface
end

local function report(path, declarations)
  local rows = {}
  for _, export in ipairs(declarations.exports) do
    for _, method in ipairs(export.compiled) do
      local chain = table.concat(method.chain_names, ' > ')
      rows[#rows + 1] = { 'export', with_alias(export) .. '.' .. method.name, chain }
    end
  end
  for _, refer in ipairs(declarations.refers) do
    rows[#rows + 1] = { 'refer', with_alias(refer), refer.place }
  end
  for _, listen in ipairs(declarations.listens) do
    rows[#rows + 1] = { 'listen', listen.url, '' }
  end
  if declarations.main then
    rows[#rows + 1] = { 'main', '', '' }
  end
  print(terminal.columns(rows))
  print(('%s: %s'):format(path, terminal.color('green', 'ok')))
end

local function as_json(declarations)
  local result = {
    exports = core.array {},
    refers = core.array {},
    listens = core.array {},
    main = declarations.main ~= nil,
  }
  for i, export in ipairs(declarations.exports) do
    local methods = {}
    for k, method in ipairs(export.compiled) do
      methods[k] = { name = method.name, chain = core.array { unpack(method.chain_names) } }
    end
    result.exports[i] = { interface = export.interface, alias = export.alias, methods = methods }
  end
  for i, refer in ipairs(declarations.refers) do
    result.refers[i] = { interface = refer.interface, alias = refer.alias }
  end
  for i, listen in ipairs(declarations.listens) do
    result.listens[i] = listen.url
  end
  return core.encode(result)
end

-- What a start would refuse beyond what loading tells.
local function wrong_with(declarations, conf)
  local _, message = executors.count(conf.executors, declarations.exports)
  return message or registration.check(declarations.exports)
end

function M.run(args)
  local conf, message = settings.of(args)
  if not conf then
    return 1, message
  end
  settings.declare(conf)
  local declarations
  declarations, message = declare.load(args.script, args.args)
  if not declarations then
    return 1, message
  end
  message = wrong_with(declarations, conf)
  if message then
    return 1, message
  end
  for _, list in ipairs { settings.unknown_environment(), options.unmatched() } do
    for _, warning in ipairs(list) do
      terminal.complain('warning: ' .. warning)
    end
  end
  if args.json then
    print(as_json(declarations))
  else
    report(args.script, declarations)
  end
  return 0
end

return M
