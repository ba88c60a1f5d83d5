-- SPDX-License-Identifier: MIT
-- Turns the filter list of a declaration into functions in their final order: those named by the
-- user, those the declaration's options switch on, sorted by before and after.
local core = require 'perilune.core'
local order = require 'perilune.order'
local plugin = require 'perilune.plugin'

local M = {}

-- Built-in filters by the option that switches them on, outermost first. An option that is no table
-- of settings is the setting named by `setting`; a `bare` one has none. `unless` names the option whose
-- filter asks the same and more.
local BUILTIN = {
  { name = 'trace', option = 'trace', provider = true, consumer = true },
  {
    name = 'access_log',
    option = 'access_log',
    setting = 'level',
    provider = true,
    consumer = true,
  },
  { name = 'exception', option = 'exception', provider = true },
  { name = 'auth', option = 'auth', unless = 'token', bare = true, provider = true },
  { name = 'token', option = 'token', setting = 'token', whole = true, provider = true },
  { name = 'concurrency', option = 'concurrency', setting = 'limit', consumer = true },
  { name = 'timeout', option = 'slow', setting = 'slow', provider = true, consumer = true },
}

local known = {
  trace = 1,
  access_log = 1,
  exception = 1,
  auth = 1,
  token = 1,
  ip = 1,
  method_list = 1,
  concurrency = 1,
  limiter = 1,
  timeout = 1,
  validation = 1,
  cache = 1,
} -- stylua: ignore

local function add(list, side, ref)
  local fn, record = plugin.use('filter', ref)
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

-- The reference that an option stands for: `slow = 100` is { 'timeout', slow = 100 }.
local function ref_of(builtin, value)
  local ref = { builtin.name }
  if builtin.bare then
    return ref
  end
  if type(value) == 'table' and not builtin.whole then
    for key, setting in pairs(value) do
      ref[key] = setting
    end
  elseif value ~= true and builtin.setting then
    ref[builtin.setting] = value
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

-- The filters of one side of a declaration, or nil and what is wrong.
---@param side 'provider'|'consumer'|'attempt'
---@param options table  of the declaration: filters, and options that switch built-in ones on
---@param title string   for warnings
---@return {name: string, fn: function}[]?
---@return string? message
function M.resolve(side, options, title)
  local list = {}
  local refs = side == 'attempt' and options.attempt_filters or options.filters or {}
  for _, builtin in ipairs(side == 'attempt' and {} or BUILTIN) do
    local value = options[builtin.option]
    local instead = builtin.unless and (options[builtin.unless] or has(refs, builtin.unless))
    if builtin[side] and value and not instead and not has(refs, builtin.name) then
      local wrong = add(list, side, ref_of(builtin, value))
      if wrong then
        return nil, wrong
      end
    end
  end
  for _, ref in ipairs(refs) do
    local wrong = add(list, side, ref)
    if wrong then
      return nil, wrong
    end
  end
  local sorted, warnings = order.sort(list, known)
  if not sorted then
    return nil, 'filters: ' .. warnings
  end
  for _, warning in ipairs(warnings) do
    core.log('warn', 'FILTER-ORDER', title .. ': filter ' .. warning)
  end
  return sorted
end

return M
