-- SPDX-License-Identifier: MIT
-- `json@cjson`: JSON by lua-cjson, for those who want its leniency (sparse lists, numeric keys).
-- The built-in `json` is faster, and exact where lua-cjson writes numbers with 14 digits.
local cjson = require('cjson.safe').new()
local core = require 'perilune.core'

local LIST = getmetatable(core.array {})

---@class perilune.protocol.serializer.JsonCjson
local M = { name = 'json', provider = 'cjson', id = 13 }

---@param value any
---@return string
function M.encode(value)
  -- lua-cjson knows no mark of a list: arguments that are none would become a map.
  if type(value) == 'table' and getmetatable(value) == LIST and next(value) == nil then
    return '[]'
  end
  local text, err = cjson.encode(value)
  return text or error(err, 0)
end

---@param text string
---@return any
function M.decode(text)
  local value, err = cjson.decode(text)
  if err ~= nil then
    error(err, 0)
  end
  return value
end

return M
