-- SPDX-License-Identifier: MIT
-- Settings of plugins and declarations, checked against a small schema:
--   { limit = { type = 'integer', min = 1, default = 100 }, mode = { enum = { 'fast', 'safe' } } }
-- Types: string, integer, number, boolean, table, function, list, any. Rules: required, default,
-- min, max (value of a number, length of a string or list), enum, pattern (Lua pattern), items
-- (rule for each element of a list), fields (schema of a table). Unknown keys are refused.
local errors = require 'perilune.error'

local M = {}

---@class perilune.schema.Rule
---@field type? string
---@field required? boolean
---@field default? any
---@field min? number
---@field max? number
---@field enum? any[]
---@field pattern? string
---@field items? perilune.schema.Rule
---@field fields? table<string, perilune.schema.Rule>

local TYPES = {
  string = 1,
  integer = 1,
  number = 1,
  boolean = 1,
  table = 1,
  ['function'] = 1,
  list = 1,
  any = 1,
} -- stylua: ignore

local RULES = {
  type = 1,
  required = 1,
  default = 1,
  min = 1,
  max = 1,
  enum = 1,
  pattern = 1,
  items = 1,
  fields = 1,
  help = 1,
} -- stylua: ignore

local function show(value)
  local kind = type(value)
  if kind == 'table' or kind == 'function' then
    return 'a ' .. kind
  end
  return kind == 'string' and ("'%s'"):format(value) or tostring(value)
end

local function type_fits(want, value)
  local got = type(value)
  if want == nil or want == 'any' then
    return true
  elseif want == 'integer' then
    return got == 'number' and value % 1 == 0 and math.abs(value) <= 2 ^ 53
  elseif want == 'list' then
    return got == 'table' and (next(value) == nil or value[1] ~= nil)
  end
  return got == want and (got ~= 'number' or value == value)
end

local function expected(rule)
  local text = rule.type or 'any'
  if rule.min and rule.max then
    return ('%s from %s to %s'):format(text, rule.min, rule.max)
  elseif rule.min then
    return ('%s of at least %s'):format(text, rule.min)
  elseif rule.max then
    return ('%s of at most %s'):format(text, rule.max)
  end
  return text
end

local check

local function check_parts(rule, value, path)
  if rule.items then
    for i, item in ipairs(value) do
      local wrong = check(rule.items, item, ('%s[%d]'):format(path, i))
      if wrong then
        return wrong
      end
    end
  end
  if rule.fields then
    local _, wrong = M.apply(rule.fields, value, path .. '.')
    return wrong
  end
end

function check(rule, value, path)
  if not type_fits(rule.type, value) then
    return ('%s must be %s, got %s'):format(path, expected(rule), show(value))
  end
  if rule.enum then
    for _, allowed in ipairs(rule.enum) do
      if allowed == value then
        return nil
      end
    end
    local texts = {}
    for i, allowed in ipairs(rule.enum) do
      texts[i] = show(allowed)
    end
    return ('%s must be one of %s, got %s'):format(path, table.concat(texts, ', '), show(value))
  end
  local size = type(value) == 'number' and value
    or (type(value) == 'string' or rule.type == 'list') and #value
  if size and (rule.min and size < rule.min or rule.max and size > rule.max) then
    return ('%s must be %s, got %s'):format(path, expected(rule), show(value))
  end
  if rule.pattern and type(value) == 'string' and not value:match(rule.pattern) then
    return ("%s must match '%s', got %s"):format(path, rule.pattern, show(value))
  end
  return check_parts(rule, value, path)
end

-- A copy of `conf` with defaults, or nil and what is wrong with it. `prefix` stands before key names.
---@param schema table<string, perilune.schema.Rule>
---@param conf table
---@param prefix? string
---@return table?
---@return string? message
function M.apply(schema, conf, prefix)
  prefix = prefix or ''
  local result = {}
  for key, value in pairs(conf) do
    if not schema[key] then
      local near = errors.suggest(tostring(key), schema)
      return nil, ("unknown setting '%s%s'%s"):format(prefix, tostring(key), near)
    end
    result[key] = value
  end
  local keys = {}
  for key in pairs(schema) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  for _, key in ipairs(keys) do
    local rule = schema[key]
    local value = result[key]
    if value == nil and rule.default ~= nil then
      result[key] = rule.default
    elseif value == nil and rule.required then
      return nil, ('%s%s is required (%s)'):format(prefix, key, expected(rule))
    elseif value ~= nil then
      local wrong = check(rule, value, prefix .. key)
      if wrong then
        return nil, wrong
      end
      if rule.fields then
        result[key] = M.apply(rule.fields, value, prefix .. key .. '.')
      end
    end
  end
  return result
end

-- What is wrong with a schema itself, or nil.
---@param schema any
---@return string?
function M.check_schema(schema)
  if type(schema) ~= 'table' then
    return 'must be a table'
  end
  for key, rule in pairs(schema) do
    if type(rule) ~= 'table' then
      return ("'%s' must be a table of rules"):format(tostring(key))
    end
    for name in pairs(rule) do
      if not RULES[name] then
        return ("'%s': no rule '%s'%s"):format(
          key,
          tostring(name),
          errors.suggest(tostring(name), RULES)
        )
      end
    end
    if rule.type and not TYPES[rule.type] then
      local near = errors.suggest(tostring(rule.type), TYPES)
      return ("'%s': no type '%s'%s"):format(key, tostring(rule.type), near)
    end
    if rule.default ~= nil then
      local wrong = check(rule, rule.default, key)
      if wrong then
        return 'default of ' .. wrong
      end
    end
    local wrong = rule.fields and M.check_schema(rule.fields)
    if wrong then
      return ('%s.%s'):format(key, wrong)
    end
  end
end

return M
