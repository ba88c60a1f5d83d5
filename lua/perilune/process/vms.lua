-- SPDX-License-Identifier: MIT
-- All VMs that run the script beside the control VM: who leads the process asks them together and
-- goes on when every one has answered. Whoever adds VMs adds them here.
local core = require 'perilune.core'
local gather = require 'perilune.process.gather'

-- Workers, then executors; together `count`.
local M = { count = 0, workers = 0 }

M.SOURCE = "require('perilune.process.worker').main(...)"

-- Sends a letter to every one.
---@param name string
---@param payload string
---@return boolean
function M.post(name, payload)
  return core.post(-1, name, payload)
end

-- 'worker 2, executor 3': those of first to last that sent no answer.
local function silent(answers, first, last)
  local names = {}
  for number = first, last do
    if not answers.replies[number] then
      names[#names + 1] = (number > M.workers and 'executor %d' or 'worker %d'):format(number)
    end
  end
  return table.concat(names, ', ')
end

-- The first answer that reports a failure, as text; nil when all are well.
---@param answers perilune.process.Gather
---@param what string  'load app.lua'
---@param first? integer  the first one that was asked, default 1
---@param last? integer  the last one, default all
---@return string? message
function M.failure(answers, what, first, last)
  if answers.count < answers.wanted then
    return ('%s did not %s in time'):format(silent(answers, first or 1, last or M.count), what)
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
---@param first? integer  the first one to be asked, default 1
---@param last? integer  the last one, default all
---@return perilune.process.Gather
---@return string? message
function M.ask(letter, payload, answer, ms, what, first, last)
  local answers = gather(answer, (last or M.count) - (first or 1) + 1)
  local text = assert(core.encode(payload))
  for number = first or 1, last or M.count do
    core.post(number, letter, text)
  end
  answers.wait(ms)
  return answers, M.failure(answers, what, first, last)
end

return M
