-- SPDX-License-Identifier: MIT
-- One VM asks others something and waits for what they say: a question is a name and a request that
-- travels as JSON, as does the answer. Who does not answer in time is left out.
local core = require 'perilune.core'

local M = {}

local asked, open = 0, {}

local function on_answer(payload, from)
  local answer = core.decode(payload)
  local survey = answer and open[answer.id]
  if survey and not survey.answers[from] then
    survey.answers[from] = answer
    survey.count = survey.count + 1
    if survey.count >= survey.wanted then
      core.wake(survey.fiber, true)
    end
  end
end

-- Answers questions of that name with `fn(request)`, which may wait.
---@param name string
---@param fn async fun(request: table): table
function M.serve(name, fn)
  core.on_message('survey.answer', on_answer)
  core.on_message('survey.' .. name, function(payload, from)
    local question = core.decode(payload)
    local ok, result = xpcall(fn, debug.traceback, question.request)
    local answer = { id = question.id, ok = ok, result = ok and result or tostring(result) }
    local text, message = core.encode(answer)
    core.post(
      from,
      'survey.answer',
      text or core.encode { id = question.id, ok = false, result = message }
    )
  end)
end

-- Asks the VMs of these numbers (0 = the control VM). Returns what each answered.
---@async
---@param name string
---@param request table
---@param numbers integer[]
---@param ms number  most to wait
---@return table<integer, {ok: boolean, result: any}>
function M.ask(name, request, numbers, ms)
  asked = asked + 1
  local id = asked
  local survey = { answers = {}, count = 0, wanted = #numbers, fiber = core.fiber() }
  open[id] = survey
  local text = assert(core.encode { id = id, request = request })
  for _, number in ipairs(numbers) do
    core.post(number, 'survey.' .. name, text)
  end
  core.park(ms)
  open[id] = nil
  return survey.answers
end

-- What a VM is called: 'control', 'worker 1', 'executor 3'.
---@param number integer
---@return string
function M.title(number)
  if number == 0 then
    return 'control'
  end
  return (number <= core.workers and 'worker ' or 'executor ') .. number
end

return M
