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
  local pooled = instance.where == 'pool'
  if pooled and core.role == 'worker' and core.executors == 0 then
    return nil, 'this process was started without executors; start it with --executors N'
  end
  return pooled
end

-- Does any method of these checked declarations run in executors?
---@param exports table[]
---@return boolean
function M.wanted(exports)
  for _, spec in ipairs(exports) do
    for _, method in ipairs(spec.compiled) do
      if method.pooled then
        return true
      end
    end
  end
  return false
end

return M
