-- SPDX-License-Identifier: MIT
-- Settings of a command: flags win over the environment (PERILUNE_*), that over a file, that over the
-- default. What is wrong is said with where it was said, the value, and what is allowed.
local core = require 'perilune.core'
local schemas = require 'perilune.schema'
local settings = require 'perilune.process.settings'

local M = {}

-- Without defaults: a default in one layer would win over what the layer below it says.
local function without_defaults(schema)
  local copy = {}
  for name, rule in pairs(schema) do
    copy[name] = {}
    for key, value in pairs(rule) do
      copy[name][key] = key ~= 'default' and value or nil
    end
  end
  return copy
end

-- name -> what the setting takes. The environment's name is PERILUNE_ and the name in capitals.
M.schema = without_defaults(settings.schema)

local function read(path)
  local file, message = io.open(path)
  if not file then
    return nil, message
  end
  local text = file:read '*a'
  file:close()
  return text
end

local function from_lua(path, text)
  local chunk, message = loadstring(text, '@' .. path)
  if not chunk then
    return nil, message
  end
  local ok, result = pcall(setfenv(chunk, { os = { getenv = os.getenv } }))
  if not ok then
    return nil, tostring(result)
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
    return nil, ('%s: %s'):format(path, message or 'must be a table (Lua) or an object (JSON)')
  end
  return values
end

local function check(place, values)
  local result, wrong = schemas.apply(M.schema, values)
  if not result then
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

-- Merges flags, environment and file. Returns nil and one line when something is wrong.
---@param flags table
---@param path? string  of the configuration file
---@return table?
---@return string? message
function M.resolve(flags, path)
  local merged = {}
  local layers = {}
  if path then
    local values, message = M.file(path)
    if not values then
      return nil, message
    end
    layers[1] = { path, values }
  end
  layers[#layers + 1] = { 'environment (PERILUNE_*)', from_environment() }
  layers[#layers + 1] = { 'command line', flags }
  for _, layer in ipairs(layers) do
    local values, message = check(layer[1], layer[2])
    if not values then
      return nil, message
    end
    for name, value in pairs(values) do
      merged[name] = value
    end
  end
  for name, rule in pairs(settings.schema) do
    merged[name] = merged[name] == nil and rule.default or merged[name]
  end
  return merged
end

return M
