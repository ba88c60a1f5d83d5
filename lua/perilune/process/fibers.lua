-- SPDX-License-Identifier: MIT
-- Every parked coroutine of the process, for `perilune fibers`: what it waits for, since when, for whose
-- sake, and where in the script.
local core = require 'perilune.core'
local survey = require 'perilune.process.survey'

local M = {}

M.WAIT = 1000 -- ms for the VMs
M.MOST = 1000 -- fibers of one VM that are told
M.TRACE = 4000 -- bytes of a traceback

-- 'call demo.Greeter.hello': chunks of the library are named after what they are for.
local function callee(traceback)
  return traceback:match 'call ([%w_.$%-]+):%d+'
end

local ours = ('%s/perilune/'):format(core.library or '')

-- The lines of a traceback that are the script's, unless all are the library's.
local function trimmed(traceback)
  local lines = {}
  for line in traceback:gmatch '\n\t([^\n]*)' do
    local inside = line:find(ours, 1, true)
      or line:find('^%[C%]')
      or line:find('^%[builtin')
      or line:find('^call ')
      or line:find('^chain ')
    if not inside then
      lines[#lines + 1] = line
    end
  end
  if #lines == 0 then
    for line in traceback:gmatch '\n\t([^\n]*)' do
      lines[#lines + 1] = line
    end
  end
  return table.concat(lines, '\n'):sub(1, M.TRACE)
end

-- What parks in these modules of the library waits for that.
local PARKS = {
  { 'entry/future', 'future' },
  { 'cluster/waiters', 'node' },
  { 'cluster/connection', 'connection' },
  { 'perilune/events', 'event' },
  { 'entry/ticker', 'next turn' },
  { 'transport/socket', 'socket' },
  { 'process/', 'other threads' },
}

-- One that ends with the deadline of its call is parked like any other wait.
local function parked_for(row)
  if row.traceback:find "^stack traceback:\n\t%[C%]: in function 'sleep'" then
    return 'sleep'
  end
  for _, park in ipairs(PARKS) do
    if row.traceback:find(park[1], 1, true) then
      return park[2]
    end
  end
  return 'park'
end

local function described(row)
  local name = callee(row.traceback)
  if row.wait == 'request' then
    return ('call%s%s'):format(name and ' ' .. name or '', row.peer and ' at ' .. row.peer or '')
  end
  local what = row.wait == 'park' and parked_for(row) or row.wait
  if name and what ~= 'sleep' then
    what = ('%s for %s'):format(what, name)
  end
  return row.ends and ('%s, %.0f ms left'):format(what, row.ends) or what
end

-- Those of this VM.
---@param most integer
---@return {rows: table[], total: integer}
function M.here(most)
  local list, total = core.fibers(most)
  local rows = {}
  for _, row in ipairs(list) do
    if not (row.call or ''):find('^perilune%.Admin%.') then
      rows[#rows + 1] = {
        id = row.id,
        wait = row.wait,
        waits_for = described(row),
        since_ms = row.since,
        call = row.call,
        deadline_ms = row.left,
        generation = row.generation,
        cancelled = row.cancelled,
        traceback = trimmed(row.traceback),
      }
    else
      total = total - 1
    end
  end
  return { rows = core.array(rows), total = total }
end

function M.serve()
  survey.serve('fibers', function(request)
    return M.here(math.min(request.most, M.MOST))
  end)
end

-- Those of all VMs, `most` of each at most.
---@async
---@param most? integer
---@return {vms: table[], missing: string[]}
function M.collect(most)
  local numbers = {}
  for number = 0, core.workers + core.executors do
    numbers[#numbers + 1] = number
  end
  local answers = survey.ask('fibers', { most = most or 100 }, numbers, M.WAIT)
  local vms, missing = {}, {}
  for _, number in ipairs(numbers) do
    local answer = answers[number]
    if answer and answer.ok then
      vms[#vms + 1] = {
        vm = survey.title(number),
        number = number,
        total = answer.result.total,
        fibers = core.array(answer.result.rows),
      }
    else
      missing[#missing + 1] = survey.title(number)
    end
  end
  return { vms = core.array(vms), missing = core.array(missing) }
end

return M
