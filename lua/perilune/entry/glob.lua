-- SPDX-License-Identifier: MIT
-- Names by pattern: '*' stands for any characters, everything else for itself ('get*', 'demo.*').
local M = {}

local REMEMBERED = 1000 -- names whose verdict is kept

-- A function(name) that tells whether one of the patterns fits, or nil and what is wrong.
---@param patterns string|string[]
---@return (fun(name: string): boolean)?
---@return string? message
function M.matcher(patterns)
  if type(patterns) == 'string' then
    patterns = { patterns }
  elseif type(patterns) ~= 'table' then
    return nil, ('a pattern or a list of them is wanted, got a %s'):format(type(patterns))
  end
  local exact, globs = {}, {}
  for i, pattern in ipairs(patterns) do
    if type(pattern) ~= 'string' or pattern == '' then
      return nil, ("pattern %d must be a string such as 'get*'"):format(i)
    elseif pattern:find('*', 1, true) then
      local escaped = pattern:gsub('[%^%$%(%)%%%.%[%]%+%-%?]', '%%%0'):gsub('%*+', '.*')
      globs[#globs + 1] = '^' .. escaped .. '$'
    else
      exact[pattern] = true
    end
  end
  local function match(name)
    for i = 1, #globs do
      if name:find(globs[i]) then
        return true
      end
    end
    return exact[name] or false
  end
  -- Compiled code cannot look for patterns; most names come again.
  local verdicts, count = {}, 0
  return function(name)
    local verdict = verdicts[name]
    if verdict == nil then
      if count >= REMEMBERED then
        verdicts, count = {}, 0
      end
      verdict = match(name)
      verdicts[name], count = verdict, count + 1
    end
    return verdict
  end
end

return M
