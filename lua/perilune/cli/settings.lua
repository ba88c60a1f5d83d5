-- SPDX-License-Identifier: MIT
-- Settings of a command: flags win over the environment (PERILUNE_*), that over a file, that over the
-- default. What is wrong is said with where it was said, the value, and what is allowed.
local core = require 'perilune.core'
local errors = require 'perilune.error'
local schemas = require 'perilune.schema'
local secrets = require 'perilune.cli.secrets'
local settings = require 'perilune.process.settings'
local toplevel = require 'perilune.entry.toplevel'

local M = {}

-- What a checker of schemas knows; a default in one layer would win over what the layer below says.
local RULES = { 'type', 'min', 'max', 'enum', 'pattern', 'items', 'fields', 'help' }

local function without_defaults(schema)
  local copy = {}
  for name, rule in pairs(schema) do
    copy[name] = {}
    for _, key in ipairs(RULES) do
      copy[name][key] = rule[key]
    end
  end
  return copy
end

-- name -> what the setting takes. The environment's name is PERILUNE_ and the name in capitals.
M.schema = without_defaults(settings.schema)

-- Sections of the file about single declarations -> the kind of declaration.
local SECTIONS = { services = 'export', references = 'refer' }

local function read(path)
  local file, message = io.open(path)
  if not file then
    return nil, message
  end
  local text = file:read '*a'
  file:close()
  return text or '', nil
end

local function from_lua(path, text)
  local chunk, message = loadstring(text, '@' .. path)
  if not chunk then
    return nil, message
  elseif text:sub(1, 1) == '\27' then
    return nil, 'is compiled Lua; it must be a text'
  end
  setfenv(chunk, { os = { getenv = os.getenv } })
  local ok, result = toplevel.run(toplevel.MS, chunk, tostring)
  if not ok then
    return nil, result
  end
  return result
end

-- Reads a configuration file: JSON, or Lua that returns a table.
---@param path string
---@return table?
---@return string? message
function M.file(path)
  local text, message = read(path)
  if not text then
    return nil, ('cannot read the configuration: %s'):format(message)
  end
  local values
  if path:match '%.json$' then
    values, message = core.decode(text)
  else
    values, message = from_lua(path, text)
  end
  if type(values) ~= 'table' then
    message = message or 'must be a table (Lua) or an object (JSON)'
    return nil, message:find(path, 1, true) and message or ('%s: %s'):format(path, message)
  end
  return values
end

-- What is wrong with the options of one interface, or nil.
local function wrong_section(section, name, options)
  local declared = require 'perilune.entry.options'
  local where = ("%s['%s']"):format(section, tostring(name))
  if type(name) ~= 'string' or type(options) ~= 'table' then
    return where .. ' must be a table of options by the name of an interface'
  end
  return declared.check_overlay(SECTIONS[section], options, where .. '.')
end

local function wrong_sections(values)
  for section in pairs(SECTIONS) do
    for name, options in pairs(values[section] or {}) do
      local wrong = wrong_section(section, name, options)
      if wrong then
        return wrong
      end
    end
  end
end

local function wrong_defaults(values)
  return values.defaults and require('perilune.entry.options').check_defaults(values.defaults)
end

local function check(place, values, is_environment)
  local result, wrong = schemas.apply(M.schema, values)
  for name in pairs(result and not is_environment and values or {}) do
    if settings.schema[name].environment_only then
      wrong = ('%s is read from the environment only (PERILUNE_%s)'):format(name, name:upper())
    end
  end
  wrong = wrong or wrong_sections(values) or wrong_defaults(values)
  if wrong then
    return nil, ('%s: %s'):format(place, wrong)
  end
  return result
end

-- The settings among the parsed flags.
---@param args table  of argparse
---@return table
function M.flags(args)
  local values = {}
  for _, name in ipairs(settings.flags) do
    values[name] = args[name]
  end
  return values
end

local PLACES = { ms = '<ms>', bytes = '<bytes>' }

-- Adds --config and the settings that are flags to a command.
---@param parser table
function M.describe(parser)
  parser:option('--config', 'A configuration file, Lua or JSON.'):argname '<file>'
  for _, name in ipairs(settings.flags) do
    parser
      :option('--' .. name:gsub('_', '-'), (settings.help(name):gsub('^%l', string.upper)) .. '.')
      :argname(PLACES[settings.schema[name].unit] or '<n>')
      :convert(function(text)
        return settings.value(name, text)
      end)
  end
end

local function from_environment()
  local values = {}
  for name, rule in pairs(M.schema) do
    local text = rule.type ~= 'table' and os.getenv('PERILUNE_' .. name:upper())
    if text and text ~= '' then
      values[name] = settings.value(name, text)
    end
  end
  return values
end

-- Where each value came from.
---@class perilune.cli.Origin
---@field layer 'flag'|'environment'|'file'|'default'
---@field text string  '--workers', 'PERILUNE_WORKERS', 'app.conf.lua'

local function origin_of(layer, name)
  local texts = {
    flag = '--' .. name:gsub('_', '-'),
    environment = 'PERILUNE_' .. name:upper(),
    file = layer.place,
  }
  return { layer = layer.kind, text = texts[layer.kind] }
end

local function file_layer(path)
  local values, message = M.file(path)
  if not values then
    return nil, message
  end
  local hidden
  values, hidden = secrets.resolve(values)
  if not values then
    return nil, ('%s: %s'):format(path, hidden)
  end
  return { kind = 'file', place = path, values = values, hidden = hidden }
end

-- Merges flags, environment and file. Returns nil and one line when something is wrong.
---@param flags table
---@param path? string  of the configuration file
---@return table?
---@return string? message
---@return {from: table<string, perilune.cli.Origin>, hidden: table<string, perilune.cli.Secret>}?  where it came from
function M.resolve(flags, path)
  local merged, layers = {}, {}
  local origins = { from = {}, hidden = {} }
  if path then
    local layer, message = file_layer(path)
    if not layer then
      return nil, message
    end
    layers[1], origins.hidden = layer, layer.hidden
  end
  layers[#layers + 1] =
    { kind = 'environment', place = 'environment (PERILUNE_*)', values = from_environment() }
  layers[#layers + 1] = { kind = 'flag', place = 'command line', values = flags }
  for _, layer in ipairs(layers) do
    local values, message = check(layer.place, layer.values, layer.kind == 'environment')
    if not values then
      return nil, message
    end
    for name, value in pairs(values) do
      merged[name], origins.from[name] = value, origin_of(layer, name)
    end
  end
  for name, rule in pairs(settings.schema) do
    if merged[name] == nil and rule.default ~= nil then
      merged[name], origins.from[name] = rule.default, { layer = 'default', text = 'default' }
    end
  end
  return merged, nil, origins
end

-- The configuration of a command with these arguments.
---@param args table  of argparse, see M.describe
---@return table?
---@return string? message
---@return table? origins
function M.of(args)
  return M.resolve(M.flags(args), args.config or os.getenv 'PERILUNE_CONFIG')
end

-- Has a script that is loaded next declare under this configuration.
---@param conf table
function M.declare(conf)
  require('perilune.entry.options').configure(conf)
  settings.apply(settings.limits_of(conf))
end

-- Variables that a container platform sets for a service of our name.
local LINKS =
  { '_SERVICE_HOST$', '_SERVICE_PORT$', '_SERVICE_PORT_', '^PERILUNE_PORT$', '_PORT_%d+_' }
local OTHERS = { PERILUNE_LIBRARY = true }

local function is_link(name)
  for _, pattern in ipairs(LINKS) do
    if name:match(pattern) then
      return true
    end
  end
end

-- Names in the environment that look like settings and are none, each with what was meant.
---@return string[]
function M.unknown_environment()
  local ffi = require 'ffi'
  ffi.cdef 'extern char **environ;'
  local known, found = {}, {}
  for name in pairs(M.schema) do
    known['PERILUNE_' .. name:upper()] = true
  end
  local i = 0
  while ffi.C.environ[i] ~= nil do
    local name = ffi.string(ffi.C.environ[i]):match '^(PERILUNE_[^=]*)='
    if name and not known[name] and not OTHERS[name] and not is_link(name) then
      found[#found + 1] = ("'%s' is no setting%s"):format(name, errors.suggest(name, known))
    end
    i = i + 1
  end
  table.sort(found)
  return found
end

return M
