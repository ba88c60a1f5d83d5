-- SPDX-License-Identifier: MIT
-- How many executors there are, changed by a reload: further ones begin empty and take part in its first
-- phase, those that are too many finish what they run and end.
local core = require 'perilune.core'
local gather = require 'perilune.process.gather'
local settings = require 'perilune.process.settings'
local vms = require 'perilune.process.vms'

local M = {}

local BEGIN_MS = 60000

local before -- their number while the first phase is under way, or nil

local function present()
  return vms.count - vms.workers
end

local function count(executors)
  vms.count = vms.workers + executors
  core.executors = executors
end

-- Starts what is missing to `wanted`. Returns what is wrong; then, as when the reload fails later, undo
-- must follow.
---@async
---@param wanted integer
---@param number integer  of the generation that is loaded
---@param conf perilune.process.Options
---@return string? message
function M.grow(wanted, number, conf)
  local more = wanted - present()
  if more <= 0 then
    return nil
  end
  local begun = gather('begun', more)
  local argument = assert(core.encode { after = number - 1, limits = settings.limits_of(conf) })
  local ok, message = core.add_executors(more, vms.SOURCE, argument)
  if not ok then
    return message
  end
  before = present()
  count(wanted)
  return not begun.wait(BEGIN_MS) and 'the further executors did not begin in time' or nil
end

local function keep(executors)
  count(executors)
  core.keep_executors(executors)
end

-- The reload failed: those it added end.
function M.undo()
  if not before then
    return
  end
  local last = vms.count
  keep(before)
  for number = vms.count + 1, last do
    core.end_executor(number)
  end
  before = nil
end

-- The reload goes on; what is more than `wanted` ends when it has finished what it runs. Does not wait.
---@param wanted integer
---@param timeout integer  ms for that
function M.shrink(wanted, timeout)
  before = nil
  core.on_message('left', function(_, number)
    core.end_executor(number)
  end)
  local going = { timeout = timeout, answer = 'left' }
  for number = vms.workers + wanted + 1, vms.count do
    core.post(number, 'drain', assert(core.encode(going)))
  end
  keep(wanted)
end

return M
