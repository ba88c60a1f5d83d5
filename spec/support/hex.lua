-- SPDX-License-Identifier: MIT
-- Bytes as the hexadecimal text they are written as in a spec.
local M = {}

-- White space between bytes is skipped.
function M.decode(text)
  return (
    text:gsub('%s', ''):gsub('%x%x', function(byte)
      return string.char(tonumber(byte, 16))
    end)
  )
end

function M.encode(bytes)
  return (bytes:gsub('.', function(byte)
    return ('%02x'):format(byte:byte())
  end))
end

return M
