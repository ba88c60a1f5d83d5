-- SPDX-License-Identifier: MIT
-- Rules for values that come from peers, compiled with `load` to straight-line code: one type test for
-- each value that is right, and a list of every field that is wrong.
--
--   { type = 'table', fields = { id = { type = 'integer', min = 1 },
--     tags = { type = 'list', max = 8, optional = true, items = { type = 'string' } } } }
--
-- A value must be there unless its rule is `optional` or has a `default`. The keys of a rule are those of
-- KEYS below.
local core = require 'perilune.core'
local errors = require 'perilune.error'
local ffi = require 'ffi'
local patterns = require 'perilune.pattern'
local copy = require('perilune.policy').copy

local M = {}

---@class perilune.Rule
---@field type 'string'|'integer'|'number'|'boolean'|'table'|'list'|'any'
---@field optional? boolean
---@field default? any          also makes it optional
---@field min? number           of a number; length of a string (bytes) or list
---@field max? number
---@field enum? any[]
---@field pattern? string       Lua pattern
---@field fields? table<string, perilune.Rule>  of a table
---@field extra? boolean        false: fields without a rule are refused
---@field values? perilune.Rule of every field of a table
---@field items? perilune.Rule  of a list
---@field check? fun(value: any): boolean?, string?  true, or false and what is wrong
---@field help? string

---@class perilune.Failure
---@field field string          'args[1].tags[3]'
---@field message string        'must be a string'

-- key -> types it fits ('any' alone: all of them)
local KEYS = {
  type = 'any',
  optional = 'any',
  default = 'any',
  enum = 'any',
  check = 'any',
  help = 'any',
  min = 'string integer number list',
  max = 'string integer number list',
  pattern = 'string',
  fields = 'table',
  extra = 'table',
  values = 'table',
  items = 'list',
}

local TYPES = {
  string = 'a string',
  integer = 'an integer',
  number = 'a number',
  boolean = 'true or false',
  table = 'a table',
  list = 'a list',
  any = 'anything',
}

local DEPTH = 16

-- What the type test of a rule is in Lua, for the variable %s.
local TESTS = {
  string = "type(%s) == 'string'",
  integer = "type(%s) == 'number' and %s %% 1 == 0",
  number = "type(%s) == 'number' and %s == %s",
  boolean = "type(%s) == 'boolean'",
  table = "type(%s) == 'table'",
  list = "type(%s) == 'table' and (%s[1] ~= nil or next(%s) == nil)",
  any = '%s ~= nil',
}

-- ── checking the rules ──────────────────────────────────────────────────────────────────────────

local function bound_text(rule)
  local unit = (rule.type == 'string' and ' bytes') or (rule.type == 'list' and ' items') or ''
  local text
  if rule.min and rule.min == rule.max then
    text = (' of %s%s'):format(rule.min, unit)
  elseif rule.min and rule.max then
    text = (unit == '' and ' from %s to %s' or ' of %s to %s%s'):format(rule.min, rule.max, unit)
  elseif rule.min then
    text = (' of at least %s%s'):format(rule.min, unit)
  elseif rule.max then
    text = (' of at most %s%s'):format(rule.max, unit)
  end
  return text or ''
end

-- 'a string of 1 to 20 bytes'
local function expected(rule)
  return TYPES[rule.type] .. bound_text(rule)
end

local function check_bounds(rule)
  for _, key in ipairs { 'min', 'max' } do
    if rule[key] ~= nil and type(rule[key]) ~= 'number' then
      return ('%s must be a number, got a %s'):format(key, type(rule[key]))
    end
  end
  if
    rule.min ~= rule.min
    or rule.max ~= rule.max
    or rule.min == math.huge
    or rule.max == -math.huge
  then
    return 'min and max leave nothing that fits'
  elseif rule.min and rule.max and rule.min > rule.max then
    return ('min %s is more than max %s'):format(rule.min, rule.max)
  end
end

local function check_parts(rule)
  if rule.enum ~= nil and (type(rule.enum) ~= 'table' or rule.enum[1] == nil) then
    return 'enum must be a list of the allowed values'
  elseif rule.check ~= nil and type(rule.check) ~= 'function' then
    return ('check must be a function, got a %s'):format(type(rule.check))
  elseif rule.pattern ~= nil then
    local wrong = patterns.wrong(rule.pattern)
    if wrong then
      return ("pattern '%s' is no Lua pattern: it %s"):format(tostring(rule.pattern), wrong)
    end
  elseif rule.fields ~= nil and type(rule.fields) ~= 'table' then
    return 'fields must be a table of rules by name'
  end
end

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b)
    return tostring(a) < tostring(b)
  end)
  return keys
end

-- A default that its own rule refuses.
local function wrong_default(rule, path)
  local bare = {}
  for key, value in pairs(rule) do
    bare[key] = key ~= 'default' and value or nil
  end
  local check, message = M.compile(bare, path)
  local failures = check and check(rule.default)
  if failures then
    return ('%s: default %s'):format(failures[1].field, failures[1].message)
  end
  return message
end

-- What is wrong with a rule, with its place, or nil.
---@param rule any
---@param path string
---@param depth? integer
---@return string?
function M.wrong(rule, path, depth)
  depth = depth or 1
  if type(rule) ~= 'table' then
    return ("%s: a rule is a table such as { type = 'string' }, got a %s"):format(path, type(rule))
  elseif depth > DEPTH then
    return ('%s: rules stand in each other more than %d deep'):format(path, DEPTH)
  elseif not TYPES[rule.type] then
    local near = errors.suggest(tostring(rule.type), TYPES)
    return ("%s: no type '%s'%s"):format(path, tostring(rule.type), near)
  end
  for _, key in ipairs(sorted_keys(rule)) do
    local fits = KEYS[key]
    if not fits then
      return ("%s: no rule '%s'%s"):format(path, tostring(key), errors.suggest(tostring(key), KEYS))
    elseif fits ~= 'any' and not (' ' .. fits .. ' '):find(' ' .. rule.type .. ' ', 1, true) then
      return ("%s: rule '%s' does not fit type '%s'; it fits %s"):format(path, key, rule.type, fits)
    end
  end
  local wrong = check_bounds(rule) or check_parts(rule)
  if wrong then
    return path .. ': ' .. wrong
  end
  for _, name in ipairs(sorted_keys(rule.fields or {})) do
    if type(name) ~= 'string' then
      return path .. '.fields: names of fields are strings'
    end
    wrong = M.wrong(rule.fields[name], path .. '.fields.' .. name, depth + 1)
    if wrong then
      return wrong
    end
  end
  for _, key in ipairs { 'items', 'values' } do
    wrong = rule[key] ~= nil and M.wrong(rule[key], path .. '.' .. key, depth + 1)
    if wrong then
      return wrong
    end
  end
  return rule.default ~= nil and wrong_default(rule, path) or nil
end

local int64, uint64 = ffi.typeof 'int64_t', ffi.typeof 'uint64_t'
local function is_int64(value)
  return type(value) == 'cdata' and (ffi.istype(int64, value) or ffi.istype(uint64, value))
end

-- A 64-bit integer as the number that it is, or, where it has too many digits for one, as a text.
local function plain(value)
  if not is_int64(value) then
    return value
  end
  local number = tonumber(value)
  return math.abs(number) < 2 ^ 53 and number or tostring(value):match '^-?%d+'
end

-- ── generating code ─────────────────────────────────────────────────────────────────────────────

local Writer = {}
Writer.__index = Writer

function Writer:line(format, ...)
  self[#self + 1] = select('#', ...) > 0 and format:format(...) or format
end

-- A name for a value that cannot be written as text.
function Writer:constant(value)
  table.insert(self.constants, value)
  return ('K[%d]'):format(#self.constants)
end

function Writer:variable()
  self.count = self.count + 1
  return 'v' .. self.count
end

-- `path` is Lua source whose value is the name of the field.
function Writer:failure(path, text)
  self:line('failures = fail(failures, most, %s, %q)', path, text)
end

local write_rule

-- Bounds of `beyond` and more are none.
local function write_bounds(out, rule, v, path, beyond)
  local of = (rule.type == 'string' or rule.type == 'list') and '#' .. v or v
  local parts = {}
  if rule.min and rule.min > -beyond then
    parts[#parts + 1] = ('%s < %.17g'):format(of, rule.min)
  end
  if rule.max and rule.max < beyond then
    parts[#parts + 1] = ('%s > %.17g'):format(of, rule.max)
  end
  if #parts > 0 then
    out:line('if %s then', table.concat(parts, ' or '))
    out:failure(path, 'must be ' .. expected(rule))
    out:line 'end'
  end
end

-- `key` is what a value is looked for by among the choices.
local function write_choices(out, rule, v, path, key)
  if rule.enum then
    local set, texts = {}, {}
    for i, allowed in ipairs(rule.enum) do
      set[allowed] = true
      set[plain(allowed)] = true
      texts[i] = type(allowed) == 'string' and ("'%s'"):format(allowed) or tostring(allowed)
    end
    out:line('if not %s[%s] then', out:constant(set), (key or '%s'):format(v))
    out:failure(path, 'must be one of ' .. table.concat(texts, ', '))
    out:line 'end'
  end
  if rule.pattern then
    out:line('if not find(%s, %q) then', v, rule.pattern)
    out:failure(path, ("must match '%s'"):format(rule.pattern))
    out:line 'end'
  end
end

local function write_fields(out, rule, v, path)
  for _, name in ipairs(sorted_keys(rule.fields)) do
    local inner = out:variable()
    out:line('do local %s = %s[%q]', inner, v, name)
    local own = path:match '"$'
        and ('%s.%s"'):format(path:sub(1, -2), ('%q'):format(name):sub(2, -2))
      or ('%s .. %q'):format(path, '.' .. name)
    write_rule(out, rule.fields[name], inner, own, ('%s[%q]'):format(v, name))
    out:line 'end'
  end
end

-- Of some serializations the same table may stand in many places, within others that do: as many values are
-- looked at as a message may have, counted where they stand.
local function write_budget(out, count, path)
  out:line('left = left - %s', count)
  out:line("if left < 0 then return fail(failures, most, %s, 'has too many values') end", path)
end

local function write_unknown(out, rule, v, path)
  local known = out:constant(rule.fields or {})
  out:line('for key in pairs(%s) do', v)
  write_budget(out, '1', path)
  out:line('if not %s[key] then', known)
  out:line("failures = fail(failures, most, %s .. '.' .. tostring(key):sub(1, 64), ", path)
  out:line "'is not known here') end end"
end

local function write_each(out, rule, v, path)
  local key, inner = out:variable(), out:variable()
  if rule.items then
    write_budget(out, '#' .. v, path)
    out:line('for %s = 1, #%s do local %s = %s[%s]', key, v, inner, v, key)
  else
    out:line('for %s, %s in pairs(%s) do', key, inner, v)
    write_budget(out, '1', path)
  end
  local own = ("%s .. '[' .. tostring(%s):sub(1, 64) .. ']'"):format(path, key)
  write_rule(out, rule.items or rule.values, inner, own, ('%s[%s]'):format(v, key))
  out:line 'end'
end

local function write_check(out, rule, v, path)
  local ok, why = out:variable(), out:variable()
  out:line('local %s, %s = %s(%s)', ok, why, out:constant(rule.check), v)
  out:line(
    "if not %s then failures = fail(failures, most, %s, %s or 'is wrong') end",
    ok,
    path,
    why
  )
end

local function write_absent(out, rule, v, path, place)
  out:line('elseif %s == nil or %s == null then', v, v)
  if rule.default ~= nil then
    local default = type(rule.default) == 'table'
        and ('copy(%s)'):format(out:constant(rule.default))
      or out:constant(rule.default)
    out:line('if fill then %s = %s end', place, default)
  elseif not rule.optional then
    out:failure(path, 'is missing: must be ' .. expected(rule))
  end
end

function write_rule(out, rule, v, path, place)
  local test = TESTS[rule.type]:gsub('%%s', v):gsub('%%%%', '%%')
  if rule.type == 'any' then
    test = ('%s ~= nil and %s ~= null'):format(v, v)
  end
  out:line('if %s then', test)
  write_bounds(out, rule, v, path, math.huge)
  write_choices(out, rule, v, path, rule.type == 'any' and 'plain(%s)' or nil)
  if rule.fields then
    write_fields(out, rule, v, path)
  end
  if rule.extra == false then
    write_unknown(out, rule, v, path)
  end
  if rule.items or rule.values then
    write_each(out, rule, v, path)
  end
  if rule.check then
    write_check(out, rule, v, path)
  end
  write_absent(out, rule, v, path, place)
  if rule.type == 'integer' then
    -- Integers beyond 2^53, where the interface takes them as cdata.
    out:line('elseif is_int64(%s) then', v)
    write_bounds(out, rule, v, path, 2 ^ 63)
    write_choices(out, rule, v, path, 'plain(%s)')
    if rule.check then
      write_check(out, rule, v, path)
    end
  end
  out:line 'else'
  out:failure(path, 'must be ' .. expected(rule))
  out:line 'end'
end

-- ── running ─────────────────────────────────────────────────────────────────────────────────────

-- Peers may send a million wrong items: `most` failures are told, the others counted.
local function fail(failures, most, path, text)
  failures = failures or { count = 0 }
  failures.count = failures.count + 1
  if failures.count <= most then
    failures[failures.count] = { field = path, message = text }
  end
  return failures
end

-- A function(value, fill) -> failures or nil; `value` is reached as `name` in messages. Or nil and what is
-- wrong with the rules. `rules` is the rule of the value or, with `list`, one rule for each element.
---@param rules table
---@param name string
---@param options? {list?: boolean, most?: integer}
---@return (fun(value: any, fill?: boolean): perilune.Failure[]?)?
---@return string? message
function M.compile(rules, name, options)
  local list = options and options.list
  local out = setmetatable({ constants = {}, count = 0 }, Writer)
  out:line 'local env = ...'
  out:line 'local K, fail, copy, is_int64, null = env.K, env.fail, env.copy, env.is_int64, env.null'
  out:line 'local plain, values = env.plain, env.values'
  out:line 'local most, find, type, next, pairs = env.most, env.find, env.type, env.next, env.pairs'
  out:line 'local tostring = env.tostring'
  out:line 'return function(value, fill) local failures local left = values'
  for i, rule in ipairs(list and rules or { rules }) do
    local path = list and ('%s[%d]'):format(name, i) or name
    local wrong = M.wrong(rule, path)
    if wrong then
      return nil, wrong
    end
    local v = out:variable()
    local place = list and ('value[%d]'):format(i) or 'value'
    out:line('do local %s = %s', v, place)
    write_rule(out, rule, v, ('%q'):format(path), place)
    out:line 'end'
  end
  out:line 'return failures end'
  local chunk, message = loadstring(table.concat(out, '\n'), '=rules of ' .. name)
  if not chunk then
    return nil, ('%s: too large to compile: %s'):format(name, message)
  end
  return chunk {
    K = out.constants,
    fail = fail,
    copy = copy,
    is_int64 = is_int64,
    plain = plain,
    null = core.null,
    most = options and options.most or 32,
    values = core.limits and core.limits().value_elements or 2 ^ 20,
    find = string.find,
    type = type,
    next = next,
    pairs = pairs,
    tostring = tostring,
  }
end

return M
