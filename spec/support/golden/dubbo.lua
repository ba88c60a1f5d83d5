-- SPDX-License-Identifier: MIT
-- Messages of stock Dubbo peers (dubbo.txt): by name, and with another id or body.
local c = require 'spec.support.c'
local unhex = require('spec.support.hex').decode

local M = { messages = {} }

for line in io.lines(c.root .. '/spec/support/golden/dubbo.txt') do
  local name, hex = line:match '^(%d%S+) (%x+)$'
  if name then
    M.messages[name] = unhex(hex)
  end
end

---@param message string
---@param id integer  below 256
function M.with_id(message, id)
  return message:sub(1, 4) .. ('\0'):rep(7) .. string.char(id) .. message:sub(13)
end

function M.with_body(message, body)
  local n = #body
  return message:sub(1, 12)
    .. string.char(0, math.floor(n / 65536), math.floor(n / 256) % 256, n % 256)
    .. body
end

return M
