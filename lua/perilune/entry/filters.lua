-- SPDX-License-Identifier: MIT
-- Turns the filter list of a declaration into functions in their final order: those named by the
-- user, those the declaration's options switch on, sorted by before and after.
local core = require 'perilune.core'
local order = require 'perilune.order'
local plugin = require 'perilune.plugin'

local M = {}

-- Built-in filters by the option that switches them on, outermost first. A value that is no table of
-- settings is the setting named by `setting`, a list the one named by `list`; a `bare` option has no
-- settings, a `whole` one is the setting even when it is a table. `unless` names the option whose filter
-- asks the same and more; `attempt` says whether a value wants to stand around each attempt instead.
local BOTH = { provider = true, consumer = true }
local PROVIDER, CONSUMER = { provider = true }, { consumer = true }
local BUILTIN = {
  { name = 'trace', sides = BOTH },
  { name = 'access_log', setting = 'level', sides = BOTH },
  { name = 'exception', sides = PROVIDER },
  { name = 'auth', unless = 'token', bare = true, sides = PROVIDER },
  { name = 'token', setting = 'token', whole = true, sides = PROVIDER },
  { name = 'signature', sides = { provider = true, attempt = true } },
  { name = 'authorization', list = 'rules', setting = 'authorizer', sides = PROVIDER },
  { name = 'ip', list = 'allow', sides = PROVIDER },
  { name = 'generic', bare = true, sides = PROVIDER },
  { name = 'method_list', list = 'allow', sides = BOTH },
  { name = 'mock', setting = 'mode', sides = BOTH },
  { name = 'concurrency', setting = 'limit', sides = CONSUMER },
  { name = 'limiter', setting = 'rate', list = 'rules', sides = BOTH },
  { name = 'timeout', option = 'slow', setting = 'slow', sides = BOTH },
  { name = 'validation', list = 'args', setting = 'validator', sides = BOTH },
  { name = 'cache', setting = 'ttl', sides = BOTH },
  {
    name = 'breaker',
    sides = CONSUMER,
    attempt = function(value)
      return type(value) == 'table' and value.per == 'node'
    end,
  },
  { name = 'fault', sides = BOTH },
}

local known = {}
for _, builtin in ipairs(BUILTIN) do
  known[builtin.name] = 1
end

local function option_of(builtin)
  return builtin.option or builtin.name
end

-- Where a built-in filter stands when its option has this value: on `side`?
local function stands(builtin, side, value)
  if value == nil or value == false then
    return false
  elseif builtin.attempt and builtin.attempt(value) then
    return side == 'attempt'
  end
  return builtin.sides[side] or false
end

-- What one declaration uses is made once, so that a method with options of its own shares the rest with
-- the others.
local function use(made, side, ref, key, service)
  local by_side = made[side] or {}
  made[side] = by_side
  local found = by_side[key]
  if not found then
    local fn, record = plugin.use('filter', ref, { side = side, service = service })
    if not fn then
      return nil, record
    end
    found = { fn = fn, record = record }
    by_side[key] = found
  end
  return found.fn, found.record
end

local function add(list, made, side, ref, key, service)
  local fn, record = use(made, side, ref, key, service)
  if not fn then
    return record
  end
  local want = record.spec.side
  if want and want ~= side and not (want == 'both' and side ~= 'attempt') then
    return ("filter '%s' is for side '%s' and cannot be used on side '%s'"):format(
      record.name,
      want,
      side
    )
  end
  list[#list + 1] = { name = record.name, fn = fn, before = record.before, after = record.after }
end

-- The reference that an option stands for: `slow = 100` is { 'timeout', slow = 100 }. Nil and a message for
-- a value that stands for none.
local function ref_of(builtin, value)
  local ref = { builtin.name }
  if builtin.bare then
    return ref
  end
  if type(value) == 'table' and builtin.list and value[1] ~= nil then
    ref[builtin.list] = value
  elseif type(value) == 'table' and not builtin.whole then
    for key, setting in pairs(value) do
      ref[key] = setting
    end
  elseif value ~= true and builtin.setting then
    ref[builtin.setting] = value
  elseif value ~= true then
    local text = '%s must be true, false or a table of settings, got %s'
    return nil, text:format(option_of(builtin), tostring(value))
  end
  return ref
end

local function has(refs, name)
  for _, ref in ipairs(refs) do
    if ref == name or type(ref) == 'table' and ref[1] == name then
      return true
    end
  end
end

-- What a method says differently about its filters: the declaration's options with the method's own
-- over them and its filters after the others, or nil when it says nothing.
---@param options table      of the declaration
---@param own? table         of the method
---@return table?
function M.merged(options, own)
  local both
  local function set(key, value)
    both = both or setmetatable({}, { __index = options })
    both[key] = value
  end
  for _, builtin in ipairs(own and BUILTIN or {}) do
    local option = option_of(builtin)
    if own[option] ~= nil then
      set(option, own[option])
    end
  end
  for _, option in ipairs(own and { 'filters', 'attempt_filters' } or {}) do
    if own[option] then
      local list = {}
      for _, refs in ipairs { options[option] or {}, own[option] } do
        for _, ref in ipairs(refs) do
          list[#list + 1] = ref
        end
      end
      set(option, list)
    end
  end
  return both
end

local function add_builtin(list, made, side, options, refs)
  for _, builtin in ipairs(BUILTIN) do
    local value = options[option_of(builtin)]
    local instead = builtin.unless and (options[builtin.unless] or has(refs, builtin.unless))
    if stands(builtin, side, value) and not instead and not has(refs, builtin.name) then
      local key = type(value) == 'table' and value or builtin.name .. ' ' .. tostring(value)
      local ref, wrong = ref_of(builtin, value)
      wrong = wrong or add(list, made, side, ref, key, options.service)
      if wrong then
        return wrong
      end
    end
  end
end

-- The filters of one side of a declaration, or nil and what is wrong.
---@param side 'provider'|'consumer'|'attempt'
---@param options table  of the declaration: filters, and options that switch built-in ones on
---@param title string   for warnings
---@param made? table    what was made for the same declaration before
---@return {name: string, fn: function}[]?
---@return string? message
function M.resolve(side, options, title, made)
  local list = {}
  made = made or {}
  local refs = options[side == 'attempt' and 'attempt_filters' or 'filters'] or {}
  local wrong = add_builtin(list, made, side, options, refs)
  for _, ref in ipairs(refs) do
    wrong = wrong or add(list, made, side, ref, ref, options.service)
  end
  if wrong then
    return nil, wrong
  end
  local sorted, warnings = order.sort(list, known)
  if not sorted then
    return nil, ('filters: %s; take one of their before and after away'):format(warnings)
  end
  for _, warning in ipairs(warnings) do
    core.log('warn', 'FILTER-ORDER', title .. ': filter ' .. warning)
  end
  return sorted
end

return M
