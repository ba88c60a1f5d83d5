-- SPDX-License-Identifier: MIT
local core = require 'perilune.core'
local declare = require 'perilune.entry.declare'
local executors = require 'perilune.entry.executors'
local known = require 'perilune.process.settings'
local options = require 'perilune.entry.options'
local secrets = require 'perilune.cli.secrets'
local settings = require 'perilune.cli.settings'
local terminal = require 'perilune.cli.terminal'
local urls = require 'perilune.cluster.url'

local M = { summary = 'Print the settings in effect and where each came from.' }

local MASK = '******'
-- Parts of declarations that are no settings, or the script's code.
local NO_OPTION = { interface = true, alias = true, service = true }

function M.describe(parser)
  parser:argument('script', 'An entrypoint whose exports and refers are shown too.'):args '?'
  parser:argument('args', 'Arguments of the script, after --.'):args '*'
  settings.describe(parser)
  parser:flag('--reference', 'Print the reference of all settings and options as Markdown instead.')
  parser:flag('--json', 'As one JSON list.')
end

-- A copy that may be shown: without secrets, functions as a word.
local function shown(name, value, depth)
  if secrets.is_secret(name) and type(value) ~= 'boolean' then
    return MASK
  elseif type(value) == 'function' then
    return 'function'
  elseif type(value) == 'string' then
    return urls.shown(value)
  elseif type(value) ~= 'table' then
    return value
  elseif depth > 8 then
    return '...'
  end
  local copy = {}
  for key, item in pairs(value) do
    copy[key] = shown(key, item, depth + 1)
  end
  -- { 'token', token = ... }: positions become names, which JSON has for all keys
  if copy[1] ~= nil and next(copy, #copy) ~= nil then
    for i = 1, #copy do
      copy[tostring(i)], copy[i] = copy[i], nil
    end
  end
  return copy
end

local function mask_at(values, keys)
  for i = 1, #keys - 1 do
    values = type(values) == 'table' and values[keys[i]] or nil
  end
  if type(values) == 'table' then
    local last = keys[#keys]
    values[values[last] == nil and tostring(last) or last] = MASK
  end
end

-- Secrets from files are masked wherever they stand, also in the sections.
local function masked(conf, hidden)
  local copy = shown('', conf, 0)
  for _, secret in pairs(hidden) do
    mask_at(copy, secret.keys)
  end
  return copy
end

local function setting_rows(conf, origins)
  local rows, values = {}, masked(conf, origins.hidden)
  for _, name in ipairs(known.names) do
    local origin = origins.from[name]
    local text = origin and (origin.layer == 'default' and 'default' or origin.text)
    local secret = origins.hidden[name]
    local from = origin and (secret and secret.file or text) or 'not set'
    rows[#rows + 1] = { option = name, value = values[name], from = from }
  end
  return rows
end

local function title_of(spec)
  return spec.alias ~= '' and spec.interface .. ':' .. spec.alias or spec.interface
end

-- Values that came from the configuration may be secrets of files: not looked at, only hidden.
local function is_hidden(hidden, section, spec, key)
  for _, name in ipairs { spec.interface, spec.interface .. ':' .. spec.alias } do
    local prefix = ('%s.%s.%s'):format(section, name, key)
    for path in pairs(hidden) do
      if path == prefix or path:sub(1, #prefix + 1) == prefix .. '.' then
        return true
      end
    end
  end
  local prefix = 'defaults.' .. key
  return hidden[prefix] ~= nil
end

local function declaration_rows(rows, kind, specs, hidden)
  local section = options.SECTIONS[kind]
  for _, spec in ipairs(specs) do
    local names = {}
    for name in pairs(options[kind]) do
      if not NO_OPTION[name] and spec[name] ~= nil then
        names[#names + 1] = name
      end
    end
    table.sort(names)
    for _, name in ipairs(names) do
      local value = is_hidden(hidden, section, spec, name) and MASK or shown(name, spec[name], 0)
      local list = options[kind][name].type == 'list' and type(value) == 'table'
      rows[#rows + 1] = {
        option = ("%s['%s'].%s"):format(section, title_of(spec), name),
        value = list and core.array(value) or value,
        from = spec.origins[name] or 'default',
      }
    end
  end
end

local function text_of(value)
  if value == nil then
    return ''
  elseif type(value) == 'table' then
    return core.encode(value) or '{...}'
  elseif type(value) == 'number' then
    return ('%.15g'):format(value)
  end
  return tostring(value)
end

-- What the script makes of settings that nobody gave.
local function derive(rows, declarations)
  local counts = {
    workers = #declarations.listens > 0 and core.cores() or 1,
    executors = (executors.count(nil, declarations.exports)),
  }
  for _, row in ipairs(rows) do
    if row.value == nil and counts[row.option] then
      row.value, row.from = counts[row.option], 'default'
    end
  end
end

local function print_rows(rows)
  local lines = { { 'OPTION', 'VALUE', 'FROM' } }
  for i, row in ipairs(rows) do
    lines[i + 1] = { row.option, text_of(row.value), row.from }
  end
  print(terminal.columns(lines))
end

---@async
function M.run(args)
  if args.reference then
    io.stdout:write(require('perilune.cli.reference').text())
    return 0
  end
  local conf, message, origins = settings.of(args)
  if not conf then
    return 1, message
  end
  local rows = setting_rows(conf, origins)
  local warnings = settings.unknown_environment()
  if args.script then
    settings.declare(conf)
    local declarations
    declarations, message = declare.load(args.script, args.args)
    if not declarations then
      return 1, message
    end
    derive(rows, declarations)
    declaration_rows(rows, 'export', declarations.exports, origins.hidden)
    declaration_rows(rows, 'refer', declarations.refers, origins.hidden)
    for _, unmatched in ipairs(options.unmatched()) do
      warnings[#warnings + 1] = unmatched
    end
  end
  if args.json then
    print(core.encode(core.array(rows)))
  else
    print_rows(rows)
  end
  for _, warning in ipairs(warnings) do
    terminal.complain('warning: ' .. warning)
  end
  return 0
end

return M
