-- SPDX-License-Identifier: MIT
local core = require 'perilune.core'
local declare = require 'perilune.entry.declare'
local plugin = require 'perilune.plugin'
local terminal = require 'perilune.cli.terminal'

local M = { summary = 'List extension points, their plugins and defaults.' }

function M.describe(parser)
  parser:argument('script', 'An entrypoint whose plugins are listed too.'):args '?'
  parser
    :option('--chain', 'Print the chains of an exported interface instead (needs the script).')
    :argname '<interface>'
  parser:flag('--json', 'As one JSON list.')
end

local function chains(interface, declarations)
  local rows, known = {}, {}
  for _, export in ipairs(declarations.exports) do
    known[#known + 1] = export.interface
    if export.interface == interface then
      for _, method in ipairs(export.compiled) do
        rows[#rows + 1] = { method.name, table.concat(method.chain_names, ' > ') .. ' > handler' }
      end
    end
  end
  if #rows == 0 then
    return nil,
      ("no export of '%s'; the script exports: %s"):format(interface, table.concat(known, ', '))
  end
  return rows
end

function M.run(args)
  local declarations, message
  if args.script then
    declarations, message = declare.load(args.script, {})
    if not declarations then
      return 1, message
    end
  end
  if args.chain then
    if not declarations then
      return 2, '--chain needs the script: perilune plugins app.lua --chain ' .. args.chain
    end
    local rows
    rows, message = chains(args.chain, declarations)
    if not rows then
      return 1, message
    end
    print(terminal.columns(rows))
    return 0
  end
  local list = plugin.list()
  if args.json then
    print(core.encode(list))
    return 0
  end
  local rows = { { 'POINT', 'PLUGIN', 'FROM', 'DEFAULT' } }
  for _, item in ipairs(list) do
    rows[#rows + 1] = { item.point, item.name, item.place, item.default and '*' or '' }
  end
  print(terminal.columns(rows))
  return 0
end

return M
