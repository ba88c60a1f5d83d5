-- SPDX-License-Identifier: MIT
-- The Debian package of the release build, made and unpacked for a spec.
local app = require 'spec.support.app'
local c = require 'spec.support.c'
local child = require 'spec.support.child'
local assert = require 'luassert'
local lfs = require 'lfs'

local M = {}

local release = c.root .. '/build/release'
if release:sub(1, 1) ~= '/' then
  release = lfs.currentdir() .. '/build/release'
end

-- Runs a command of the shell, which must not fail.
---@param command string
---@return string output
function M.sh(command)
  local result = child.run({ 'sh', '-c', command }, { limit = 120 })
  assert.equal(0, result.code, result.output)
  return result.output
end

-- Leaves `it.deb` and what is in it below `root`, in a folder that `app.stop_all` removes.
---@return string folder
function M.unpack()
  local folder = app.script('', 'none'):match '^(.*)/'
  M.sh(('cd %s && cpack -G DEB -B %s/out'):format(release, folder))
  M.sh(('cd %s && mv out/*.deb it.deb && dpkg-deb -x it.deb root'):format(folder))
  return folder
end

return M
