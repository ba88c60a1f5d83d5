-- SPDX-License-Identifier: MIT
-- Where handlers run: option `executor` of an export or a method, the extension point `executor`. C hands
-- the calls over (src/entry/executor.h); this says which.
local core = require 'perilune.core'
local plugin = require 'perilune.plugin'

local M = {}

-- Do executors run what asks for `ref`? Or nil and what is wrong.
---@param ref any  of the option; nil = inline
---@return boolean?
---@return string? message
function M.is_pooled(ref)
  if ref == nil then
    return false
  end
  local instance, message = plugin.use('executor', ref)
  if instance == nil then
    return nil, tostring(message)
  end
  return instance.where == 'pool'
end

-- The first of these checked exports with a method that runs in executors.
local function wanted(exports)
  for _, spec in ipairs(exports) do
    for _, method in ipairs(spec.compiled) do
      if method.pooled then
        return spec
      end
    end
  end
end

-- How many executors a process needs for these exports: as many as `asked`, else one per core where an
-- export asks for them. Or nil and what is wrong.
---@param asked? integer  setting `executors`
---@param exports table[]  checked
---@return integer?
---@return string? message
function M.count(asked, exports)
  local spec = wanted(exports)
  if not spec then
    return asked or 0
  elseif asked == 0 then
    return nil, spec.title .. ": executor = 'pool' needs executors; set executors to 1 or more"
  end
  return asked or core.cores()
end

return M
