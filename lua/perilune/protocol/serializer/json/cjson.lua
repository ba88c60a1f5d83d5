-- SPDX-License-Identifier: MIT
-- `json@cjson`: JSON by lua-cjson, for those who want its leniency (sparse lists, numeric keys).
-- The built-in `json` is faster, and exact where lua-cjson writes numbers with 14 digits.
local cjson = require('cjson.safe').new()

-- Marked as a list by perilune.array, as arguments are. The plugin also works outside a runtime.
local function is_list(value)
  local core = package.loaded['perilune.core']
  return core and getmetatable(value) == getmetatable(core.array {})
end

---@class perilune.protocol.serializer.JsonCjson
local M = { name = 'json', provider = 'cjson', id = 13 }

---@param value any
---@return string
function M.encode(value)
  -- lua-cjson knows no mark of a list: arguments that are none would become a map.
  if type(value) == 'table' and next(value) == nil and is_list(value) then
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
