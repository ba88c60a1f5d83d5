-- SPDX-License-Identifier: MIT
-- Warming up: what an export wants to have run in each worker before its service is accepted and listed.
-- Bounded in time; what fails keeps the process from starting, unless `required = false`.
local core = require 'perilune.core'
local futures = require 'perilune.entry.future'
local plugin = require 'perilune.plugin'

local M = {}

M.TIMEOUT = 10000 -- ms, of all warm-ups of a service together

---@class perilune.Service  what a warm-up gets
---@field interface string
---@field alias string
---@field handlers table<string, function>

local function refs_of(value)
  if type(value) ~= 'table' or (type(value[1]) == 'string' and value[2] == nil) then
    return { value } -- a name, { 'name', key = value } or a function, and not a list of them
  end
  return value
end

-- The warm-ups of a declaration, made; or nil and what is wrong.
---@param spec table
---@return {name: string, fn: async fun(service: perilune.Service)}[]?
---@return string? message
function M.compile(spec)
  local list = {}
  local refs = spec.warmup ~= nil and refs_of(spec.warmup) or {}
  if type(spec.warmup) == 'table' and #refs == 0 then
    return nil, "warmup: give a name, { 'name', key = value }, a function, or a list of them"
  end
  for i, ref in ipairs(refs) do
    local fn, record = plugin.use('warmup', ref)
    if fn == nil then
      return nil, 'warmup: ' .. tostring(record)
    end
    list[i] = { name = record.name, fn = fn }
  end
  return list
end

local function run_one(item, service, till)
  local future = futures.run(function()
    item.fn(service)
    return true
  end)
  local _, err = future:await(math.max(0, till - core.clock()))
  if err and not future:ready() then
    future:cancel()
    return 'did not end in time'
  end
  return err and tostring(err)
end

-- Runs the warm-ups of a compiled declaration. True, or nil and what went wrong.
---@async
---@param spec table
---@return boolean?
---@return string? message
function M.run(spec)
  local limit = spec.warmup_timeout or M.TIMEOUT
  local till = core.clock() + limit
  local service = { interface = spec.interface, alias = spec.alias, handlers = spec.service }
  for _, item in ipairs(spec.warmups or {}) do
    local wrong = run_one(item, service, till)
    if wrong then
      wrong = ("%s: warm-up '%s' %s (of %d ms)"):format(spec.title, item.name, wrong, limit)
      if spec.warmup_required ~= false then
        return nil, wrong
      end
      core.log('warn', 'WARMUP', wrong)
    end
  end
  return true
end

return M
