-- SPDX-License-Identifier: MIT
-- Names for folders that do not exist yet; those that were made go with `remove_all`.
local lfs = require 'lfs'

local M = {}
local folders = {}

function M.new()
  local path = os.tmpname()
  os.remove(path)
  folders[#folders + 1] = path
  return path
end

function M.remove_all()
  for _, path in ipairs(folders) do
    if lfs.attributes(path, 'mode') == 'directory' then
      for name in lfs.dir(path) do
        os.remove(path .. '/' .. name)
      end
      lfs.rmdir(path)
    end
  end
  folders = {}
end

return M
