-- SPDX-License-Identifier: MIT
-- Text that a command makes: to stdout, or to the file of --output.
local M = {}

---@param parser table
function M.describe(parser)
  parser:option('--output', 'File to write to instead of stdout.'):argname '<file>'
end

---@param args table
---@param text string
---@return integer code
---@return string? message
function M.write(args, text)
  if not args.output then
    io.stdout:write(text)
    return 0
  end
  local file, message = io.open(args.output, 'w')
  if not file then
    return 1, 'cannot write ' .. message
  end
  file:write(text)
  file:close()
  return 0
end

return M
