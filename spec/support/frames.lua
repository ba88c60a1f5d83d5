-- SPDX-License-Identifier: MIT
-- JoyRPC frames by hand.
local M = {}

function M.u32(n)
  return string.char(
    bit.band(bit.rshift(n, 24), 255),
    bit.band(bit.rshift(n, 16), 255),
    bit.band(bit.rshift(n, 8), 255),
    bit.band(n, 255)
  )
end

-- A frame with message id 1, JSON (id 13), no compression, 5 s.
function M.frame(type, session, body)
  return '\xad\xd0'
    .. M.u32(22 + #body)
    .. '\0\18'
    .. string.char(type)
    .. M.u32(1)
    .. M.u32(session)
    .. '\x0d\0'
    .. M.u32(5000)
    .. '\0'
    .. body
end

return M
