-- SPDX-License-Identifier: MIT
local core = require 'perilune.core'
local declare = require 'perilune.entry.declare'
local perilune = require 'perilune'
local plugin = require 'perilune.plugin'
local target = require 'perilune.cli.target'
local terminal = require 'perilune.cli.terminal'

local M = { summary = 'List extension points, their plugins and defaults.' }

function M.describe(parser)
  parser
    :argument('script', 'An entrypoint whose plugins are listed too, or the address of a process.')
    :args '?'
  parser
    :option('--chain', 'Print the chains of an exported interface instead (needs the script).')
    :argname '<interface>'
  parser:flag('--json', 'As one JSON list.')
end

local function chain_rows(list)
  local rows = {}
  for i, row in ipairs(list) do
    local names = { unpack(row.filters) }
    names[#names + 1] = 'handler'
    local alias = row.alias ~= '' and ' (' .. row.alias .. ')' or ''
    rows[i] = { row.method .. alias, table.concat(names, ' > ') }
  end
  return rows
end

-- The chains of a running process.
---@async
local function ask(url, interface)
  local admin = target.admin(url)
  local list, err = perilune.call(admin, 'chains', interface)
  if err ~= nil then
    return nil, ('%s: %s'):format(url, tostring(err))
  elseif #list == 0 then
    return nil, ("%s does not export '%s'"):format(url, interface)
  end
  return list
end

local function chains(args, declared)
  if args.script:match '^%a[%w+.-]*://' then
    return ask(args.script, args.chain)
  end
  local list, known = declare.chains(args.chain, declared)
  if #list == 0 then
    local text = "no export of '%s'; the script exports: %s"
    return nil, text:format(args.chain, table.concat(known, ', '))
  end
  return list
end

---@async
function M.run(args)
  local declarations, message
  local url = args.script and args.script:match '^%a[%w+.-]*://' and args.script
  local wrong = url and target.wrong_url(url)
  if wrong then
    return 2, wrong
  elseif url and not args.chain then
    return 2, ('of a process chains are told: perilune plugins %s --chain INTERFACE'):format(url)
  elseif args.script and not url then
    declarations, message = declare.load(args.script, {})
    if not declarations then
      return 1, message
    end
  end
  if args.chain then
    if not args.script then
      return 2,
        '--chain needs the script, or the address of a process: perilune plugins app.lua --chain '
          .. args.chain
    end
    local list
    list, message = chains(args, declarations)
    if not list then
      return 1, message
    end
    print(args.json and core.encode(list) or terminal.columns(chain_rows(list)))
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
