-- SPDX-License-Identifier: MIT
-- What tells the declarations of two VMs apart, in words. Digests are those of entry/declare.lua.
local M = {}

local function lines_of(text)
  local set, list = {}, {}
  for line in (text or ''):gmatch '[^\n]+' do
    set[line] = true
    list[#list + 1] = line
  end
  return set, list
end

-- The first line that one declares and the other does not.
---@param ours string
---@param theirs string
---@return string
function M.between(ours, theirs)
  local our_set, our_list = lines_of(ours)
  local their_set, their_list = lines_of(theirs)
  for _, line in ipairs(our_list) do
    if not their_set[line] then
      return ("'%s' is missing in it"):format(line)
    end
  end
  for _, line in ipairs(their_list) do
    if not our_set[line] then
      return ("'%s' is only in it"):format(line)
    end
  end
  return 'the same lines in different number'
end

-- What is wrong when VMs have loaded different things, or nil.
---@param path string
---@param ours string
---@param replies table<integer, {digest: string}>  by worker
---@return string? message
function M.among(path, ours, replies)
  for worker, reply in pairs(replies) do
    if reply.digest ~= ours then
      local what = M.between(ours, reply.digest)
      local text = '%s: worker %d declared something else: %s; let every VM declare the same'
      return text:format(path, worker, what)
    end
  end
end

return M
