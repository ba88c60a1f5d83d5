-- SPDX-License-Identifier: MIT
-- A scalar as a text that is the same for equal ones, because registries and attachments know only text:
-- 7, '7', 7LL and java.long(7) are '7', and an id of sixteen digits keeps them all.
local ROUNDED = 1e14 -- from here on tostring writes fewer digits than there are

---@param value any
---@return string
return function(value)
  local kind = type(value)
  if kind == 'string' then
    return value
  elseif kind == 'number' and value % 1 == 0 and (value >= ROUNDED or value <= -ROUNDED) then
    return ('%.0f'):format(value)
  end
  local text = tostring(value)
  return kind == 'cdata' and text:match '^(%-?%d+)U?LL$' or text
end
