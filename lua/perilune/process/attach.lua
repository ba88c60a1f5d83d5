-- SPDX-License-Identifier: MIT
-- What `perilune repl --attach` asks a process: to look at, or to run, something in one of its VMs. Only
-- the user the process belongs to may (and root): who can write into a VM is the process.
local core = require 'perilune.core'
local errors = require 'perilune.error'
local evaluate = require 'perilune.process.evaluate'
local listening = require 'perilune.process.listening'
local survey = require 'perilune.process.survey'

local M = {}

M.TIMEOUT = 10000 -- ms

local evaluator, printed

local function here(request)
  evaluator = evaluator or evaluate.new(function(text)
    printed[#printed + 1] = text
  end)
  if request.complete then
    local words, part = evaluator:complete(request.complete)
    return { words = core.array { unpack(words, 1, 200) }, part = part }
  end
  local before = printed
  printed = {}
  local mine = printed
  core.limit(request.timeout)
  local text, message = evaluator:run(request.text, not request.write)
  printed = before
  return { text = text, message = message, printed = table.concat(mine, '\n') }
end

function M.serve()
  survey.serve('attach', here)
end

-- May who calls look into this process? Sockets in the file system are guarded by their permissions.
local function refuse(ctx)
  local peer = ctx.peer or ''
  if not ctx.is_local then
    return 'from this machine only'
  elseif not peer:match ':%d+$' then
    return nil
  end
  local user = listening.user_of(peer)
  if user ~= 0 and user ~= listening.user() then
    return 'for the user of the process only'
  end
end

---@async
---@param ctx perilune.Context
---@param request {text?: string, complete?: string, worker?: integer, write?: boolean}
---@return table?
---@return perilune.Error? err
function M.run(ctx, request)
  local why = refuse(ctx)
  if why then
    return nil, errors.new('FORBIDDEN', 'attaching is ' .. why)
  elseif type(request) ~= 'table' or type(request.text or request.complete) ~= 'string' then
    return nil, errors.new('BAD_REQUEST', 'attach wants { text = ... } or { complete = ... }')
  end
  local number = tonumber(request.worker) or 1
  if number % 1 ~= 0 or number < 0 or number > core.workers + core.executors then
    local most = core.workers + core.executors
    return nil,
      errors.new('NOT_FOUND', ('there is no VM %s; they are 0 to %d'):format(number, most))
  end
  if request.write then
    core.log(
      'warn',
      'ATTACH',
      ('%s runs in %s: %s'):format(ctx.peer, survey.title(number), request.text or '')
    )
  end
  local timeout = math.min(ctx:left(), M.TIMEOUT) - 50
  request.timeout = timeout
  local answer = survey.ask('attach', request, { number }, timeout)[number]
  if not answer then
    return nil, errors.new('TIMEOUT', survey.title(number) .. ' did not answer; it may compute')
  elseif not answer.ok then
    return nil, errors.new('INTERNAL', tostring(answer.result))
  end
  return answer.result
end

return M
