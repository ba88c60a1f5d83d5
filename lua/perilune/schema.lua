-- SPDX-License-Identifier: MIT
-- Settings of plugins and declarations, checked against a small schema:
--   { limit = { type = 'integer', min = 1, default = 100 }, mode = { enum = { 'fast', 'safe' } } }
-- Types: string, integer, number, boolean, table, function, list, any. Rules: required, default,
-- min, max (value of a number, length of a string or list), enum, pattern (Lua pattern), items
-- (rule for each element of a list), fields (schema of a table), secret (never shown). Unknown keys are
-- refused.
local errors = require 'perilune.error'
local patterns = require 'perilune.pattern'

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
---@field secret? boolean  messages do not show the value

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
  secret = 1,
} -- stylua: ignore

local function show(value, rule)
  local kind = type(value)
  if rule and rule.secret and kind == 'string' then
    return ('one of %d bytes'):format(#value)
  elseif kind == 'table' or kind == 'function' or rule and rule.secret then
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

-- A key of a list that is none of its positions.
local function stray_key(list)
  for key in pairs(list) do
    if type(key) ~= 'number' and key ~= 'n' then
      return tostring(key)
    end
  end
end

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
    return ('%s must be %s, got %s'):format(path, expected(rule), show(value, rule))
  end
  local stray = rule.type == 'list' and stray_key(value)
  if stray then
    local text =
      "%s is a list and cannot have '%s'; settings stand beside a name: { { 'name', %s = ... } }"
    return text:format(path, stray, stray)
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
    local text = '%s must be one of %s, got %s'
    return text:format(path, table.concat(texts, ', '), show(value, rule))
  end
  local size = type(value) == 'number' and value
    or (type(value) == 'string' or rule.type == 'list') and #value
  if size and (rule.min and size < rule.min or rule.max and size > rule.max) then
    return ('%s must be %s, got %s'):format(path, expected(rule), show(value, rule))
  end
  if rule.pattern and type(value) == 'string' and not value:match(rule.pattern) then
    return ("%s must match '%s', got %s"):format(path, rule.pattern, show(value, rule))
  end
  return check_parts(rule, value, path)
end

-- What is wrong with a value, called `path`, by its rule; nil when nothing is.
---@param rule perilune.schema.Rule
---@param value any
---@param path string
---@return string?
function M.wrong(rule, value, path)
  return check(rule, value, path)
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

local KINDS = {
  required = 'boolean',
  secret = 'boolean',
  min = 'number',
  max = 'number',
  pattern = 'string',
  items = 'table',
  fields = 'table',
  help = 'string',
}

-- What is wrong with one rule, `path` being how messages call it.
local function wrong_rule(rule, path)
  if type(rule) ~= 'table' then
    return ("'%s' must be a table of rules"):format(path)
  end
  for name, value in pairs(rule) do
    if not RULES[name] then
      local near = errors.suggest(tostring(name), RULES)
      return ("'%s': no rule '%s'%s"):format(path, tostring(name), near)
    elseif KINDS[name] and type(value) ~= KINDS[name] then
      return ("'%s': %s must be a %s, got %s"):format(path, name, KINDS[name], show(value))
    end
  end
  if rule.type and not TYPES[rule.type] then
    local near = errors.suggest(tostring(rule.type), TYPES)
    return ("'%s': no type '%s'%s"):format(path, tostring(rule.type), near)
  elseif rule.enum ~= nil and (type(rule.enum) ~= 'table' or rule.enum[1] == nil) then
    return ("'%s': enum must be a list of the allowed values"):format(path)
  elseif rule.min and rule.max and rule.min > rule.max then
    return ("'%s': min %s is more than max %s"):format(path, rule.min, rule.max)
  end
  local wrong = rule.pattern and patterns.wrong(rule.pattern)
  if wrong then
    return ("'%s': pattern '%s' %s"):format(path, rule.pattern, wrong)
  end
  return rule.items and wrong_rule(rule.items, path .. '[]')
    or rule.fields and M.check_schema(rule.fields, path .. '.')
    or nil
end

-- What is wrong with a schema itself, or nil. `prefix` stands before key names.
---@param schema any
---@param prefix? string
---@return string?
function M.check_schema(schema, prefix)
  if type(schema) ~= 'table' then
    return 'must be a table'
  end
  for key, rule in pairs(schema) do
    local path = (prefix or '') .. tostring(key)
    local wrong = wrong_rule(rule, path)
    if not wrong and rule.default ~= nil then
      wrong = check(rule, rule.default, path)
      wrong = wrong and 'default of ' .. wrong
    end
    if wrong then
      return wrong
    end
  end
end

return M
