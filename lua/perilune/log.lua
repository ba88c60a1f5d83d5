-- SPDX-License-Identifier: MIT
-- What scripts log with: a text, fields, a tag by which lines are found and rate-limited.
local core = require 'perilune.core'

-- Fields without what keys that begin with '.' hold: those are secrets.
local function public(fields, depth)
  local shown = {}
  for key, value in pairs(fields) do
    if type(key) ~= 'string' or key:sub(1, 1) ~= '.' then
      shown[key] = type(value) == 'table' and depth < 8 and public(value, depth + 1) or value
    end
  end
  local meta = getmetatable(fields)
  return type(meta) == 'table' and setmetatable(shown, meta) or shown
end

local M = {} ---@class perilune.Log
for _, level in ipairs { 'debug', 'info', 'warn', 'error' } do
  ---@param text string
  ---@param fields? table
  ---@param tag? string  by which lines are found and rate-limited
  M[level] = function(text, fields, tag)
    local shown = type(fields) == 'table' and public(fields, 1) or nil
    core.log(level, tag or 'SCRIPT', tostring(text), shown)
  end
end

return M
