-- SPDX-License-Identifier: MIT
-- For specs that run under `perilune test`: serve in this VM, wait for a condition, look for leaks.
local core = require 'perilune.core'
local future = require 'perilune.entry.future'

local M = {}

-- Listens in this VM (default: a free port on loopback) and serves what specs export. Returns the URL.
---@param url? string
---@return string url
function M.listen(url)
  local bound, message = core.listen(url or 'tcp://127.0.0.1:0')
  if not bound then
    error(message, 2)
  end
  local ok
  ok, message = core.accept()
  if not ok then
    error(message, 2)
  end
  return bound
end

-- Waits until `check()` gives something true, and returns it; raises after `limit` ms.
---@async
---@param check fun(): any
---@param limit? number
---@return any
function M.eventually(check, limit)
  local till = core.clock() + (limit or 5000)
  while true do
    local result = check()
    if result then
      return result
    elseif core.clock() >= till then
      error(('not true within %d ms'):format(limit or 5000), 2)
    end
    core.sleep(2)
  end
end

-- Does the stack of a fiber hold code that is not the library's? Those that keep clusters connected
-- do not.
local function is_users(traceback)
  for source in traceback:gmatch '\n%s*([^\n]-):%d*:? in ' do
    local inside = source:find(core.library, 1, true) or source:match '^%.%.%..*/perilune/'
    if
      not inside
      and not source:match '^%['
      and not source:match '^='
      and source:match '%.lua$'
    then
      return true
    end
  end
  return false
end

---@class perilune.testing.Leaks
---@field futures integer
---@field fibers table<integer, string>  traceback by id

-- What is pending now, but for the fiber that asks and those in `except`.
---@param except? table<integer, any>
---@return perilune.testing.Leaks
function M.pending(except)
  local fibers = {}
  for _, fiber in ipairs(core.fibers()) do
    if
      fiber.id ~= core.fiber()
      and not (except and except[fiber.id])
      and is_users(fiber.traceback)
    then
      fibers[fiber.id] = fiber.traceback
    end
  end
  return { futures = future.pending(), fibers = fibers }
end

return M
