-- SPDX-License-Identifier: MIT
-- All VMs that run the script beside the control VM: who leads the process asks them together and
-- goes on when every one has answered. Whoever adds VMs adds them here.
local core = require 'perilune.core'
local gather = require 'perilune.process.gather'

local M = { count = 0 }

-- Sends a letter to every one.
---@param name string
---@param payload string
---@return boolean
function M.post(name, payload)
  return core.post(-1, name, payload)
end

-- The first answer that reports a failure, as text; nil when all are well.
---@param answers perilune.process.Gather
---@param what string  'load app.lua'
---@return string? message
function M.failure(answers, what)
  if answers.count < M.count then
    return ('%d of %d workers did not %s in time'):format(M.count - answers.count, M.count, what)
  end
  for worker = 1, M.count do
    local reply = answers.replies[worker]
    if reply and not reply.ok then
      return reply.message or ('worker %d could not %s'):format(worker, what)
    end
  end
end

-- Sends `letter` and waits for a letter `answer` of each. Returns what they answered, and what went
-- wrong if anything did.
---@async
---@param letter string
---@param payload table
---@param answer string
---@param ms number
---@param what string
---@return perilune.process.Gather
---@return string? message
function M.ask(letter, payload, answer, ms, what)
  local answers = gather(answer, M.count)
  M.post(letter, assert(core.encode(payload)))
  answers.wait(ms)
  return answers, M.failure(answers, what)
end

return M
