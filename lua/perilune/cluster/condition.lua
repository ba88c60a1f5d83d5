-- SPDX-License-Identifier: MIT
-- Conditions over calls and nodes, written as tables and compiled once:
--
--   { 'and', A, B, ... }   { 'or', A, B, ... }   { 'not', A }
--   { '==', 'attachment.tier', 'gold' }          ~=  <  <=  >  >=
--   { 'in', 'node.zone', { 'a', 'b' } }
--   { 'match', 'arg.1.name', '^test' }           a Lua pattern
--   { 'exists', 'attachment.user' }
--   { 'ip', 'node.address', { '10.0.0.0/8', '192.168.1.7', 'fd00::/8' } }
--   { '==', 'node.shard', { of = 'arg.1.shard' } }    compared with something of the call
--
-- Operands are those of cluster/operand.lua. What is not there fulfils nothing but `~=` and `not`.
-- Order is that of numbers; equality that of texts, because registries and attachments know only text.
local address = require 'perilune.address'
local errors = require 'perilune.error'
local operand = require 'perilune.cluster.operand'
local patterns = require 'perilune.pattern'
local text_of = require 'perilune.text'

local M = {}

---@class perilune.cluster.Condition
---@field test fun(ctx: any, call: any, node: any): boolean
---@field of_call boolean  it looks at the call
---@field of_node boolean  it looks at the node

local compile -- below

local COMPARE = {
  ['=='] = function(a, b)
    return a ~= nil and b ~= nil and text_of(a) == text_of(b)
  end,
  ['~='] = function(a, b)
    return a == nil or b == nil or text_of(a) ~= text_of(b)
  end,
}

local function ordered(less)
  return function(a, b)
    a, b = tonumber(a), tonumber(b)
    return a ~= nil and b ~= nil and less(a, b)
  end
end

COMPARE['<'] = ordered(function(a, b)
  return a < b
end)
COMPARE['<='] = ordered(function(a, b)
  return a <= b
end)
COMPARE['>'] = ordered(function(a, b)
  return a > b
end)
COMPARE['>='] = ordered(function(a, b)
  return a >= b
end)

-- A getter (ctx, call, node), noted in `into`.
local function getter(text, into)
  local get, whose = operand.compile(text)
  if not get then
    return nil, whose
  elseif whose == 'node' then
    into.of_node = true
    return function(_, _, node)
      return get(node)
    end
  end
  into.of_call = true
  return get
end

local function scalar(value)
  local kind = type(value)
  return kind == 'string' or kind == 'number' or kind == 'boolean'
end

local function comparison(op, expr, into)
  local left, message = getter(expr[2], into)
  if not left then
    return nil, message
  end
  local compare, wanted = COMPARE[op], expr[3]
  if type(wanted) == 'table' and wanted.of ~= nil then
    local right
    right, message = getter(wanted.of, into)
    if not right then
      return nil, message
    end
    return function(ctx, call, node)
      return compare(left(ctx, call, node), right(ctx, call, node))
    end
  elseif not scalar(wanted) then
    return nil,
      ("'%s' needs a text, a number, a boolean or { of = ... } to compare with"):format(op)
  elseif op:match '[<>]' and not tonumber(wanted) then
    return nil, ("'%s' compares numbers, got '%s'"):format(op, tostring(wanted))
  end
  return function(ctx, call, node)
    return compare(left(ctx, call, node), wanted)
  end
end

local function all_of(parts)
  return function(ctx, call, node)
    for i = 1, #parts do
      if not parts[i](ctx, call, node) then
        return false
      end
    end
    return true
  end
end

local function any_of(parts)
  return function(ctx, call, node)
    for i = 1, #parts do
      if parts[i](ctx, call, node) then
        return true
      end
    end
    return false
  end
end

local function combination(make)
  return function(expr, into, path)
    local parts = {}
    for i = 2, #expr do
      local test, message = compile(expr[i], into, ('%s[%d]'):format(path, i))
      if not test then
        return nil, message, true
      end
      parts[#parts + 1] = test
    end
    if #parts == 0 then
      return nil, ("'%s' needs at least one condition"):format(expr[1])
    end
    return make(parts)
  end
end

local OPS = {
  ['and'] = combination(all_of),
  ['or'] = combination(any_of),
}

OPS['not'] = function(expr, into, path)
  if #expr ~= 2 then
    return nil, "'not' needs one condition"
  end
  local test, message = compile(expr[2], into, path .. '[2]')
  if not test then
    return nil, message, true
  end
  return function(ctx, call, node)
    return not test(ctx, call, node)
  end
end

function OPS.exists(expr, into)
  local get, message = getter(expr[2], into)
  return get and function(ctx, call, node)
    return get(ctx, call, node) ~= nil
  end, message
end

OPS['in'] = function(expr, into)
  local get, message = getter(expr[2], into)
  if not get then
    return nil, message
  elseif type(expr[3]) ~= 'table' or #expr[3] == 0 then
    return nil, "'in' needs a list of values"
  end
  local set = {}
  for i, value in ipairs(expr[3]) do
    if not scalar(value) then
      return nil, ("'in': value %d is a %s"):format(i, type(value))
    end
    set[text_of(value)] = true
  end
  return function(ctx, call, node)
    local value = get(ctx, call, node)
    return value ~= nil and set[text_of(value)] or false
  end
end

function OPS.match(expr, into)
  local get, message = getter(expr[2], into)
  local pattern = expr[3]
  if not get then
    return nil, message
  end
  local wrong = patterns.wrong(pattern)
  if wrong then
    return nil, ("'match' needs a Lua pattern; '%s' %s"):format(tostring(pattern), wrong)
  end
  return function(ctx, call, node)
    local value = get(ctx, call, node)
    return value ~= nil and text_of(value):find(pattern) ~= nil
  end
end

function OPS.ip(expr, into)
  local get, message = getter(expr[2], into)
  if not get then
    return nil, message
  elseif type(expr[3]) ~= 'table' or #expr[3] == 0 then
    return nil, "'ip' needs a list of addresses and networks"
  end
  local fits
  fits, message = address.matcher(expr[3])
  if not fits then
    return nil, message
  end
  return function(ctx, call, node)
    local value = get(ctx, call, node)
    local bytes = type(value) == 'string'
      and (address.parse(value) or address.parse(address.of_peer(value) or ''))
    return bytes and fits(bytes) or false
  end
end

local known = {}
for _, set in ipairs { OPS, COMPARE } do
  for op in pairs(set) do
    known[op] = true
  end
end

function compile(expr, into, path)
  if type(expr) ~= 'table' then
    return nil,
      ("%s: a condition is a table like { '==', 'arg.1', 7 }, got a %s"):format(path, type(expr))
  end
  local op = expr[1]
  if not known[op] then
    local near = errors.suggest(tostring(op), known)
    return nil, ("%s: no operator '%s'%s"):format(path, tostring(op), near)
  end
  local test, message, told
  if OPS[op] then
    test, message, told = OPS[op](expr, into, path)
  else
    test, message = comparison(op, expr, into)
  end
  if not test then
    return nil, told and message or ('%s: %s'):format(path, message)
  end
  return test
end

-- The condition of a table, or nil and what is wrong with it and where. `path` is how messages call it.
---@param expr any
---@param path? string
---@return perilune.cluster.Condition?
---@return string? message
function M.compile(expr, path)
  local condition = { of_call = false, of_node = false }
  local message
  condition.test, message = compile(expr, condition, path or 'condition')
  if not condition.test then
    return nil, message
  end
  return condition
end

return M
