-- SPDX-License-Identifier: MIT
-- Measures a group: its servers run side by side, its subjects take turns, A B C, A B C, ... so
-- that what disturbs the machine disturbs all of them. A subject that fails keeps its reason; the
-- others go on.

local servers = require 'servers'

local M = {}

---@class bench.Result
---@field case bench.Case
---@field perilune number?
---@field peer string
---@field peer_value number?
---@field ratio number?
---@field why string? why it could not run

local function median(list)
  local sorted = {}
  for i, value in ipairs(list) do
    sorted[i] = value
  end
  table.sort(sorted)
  local middle = #sorted / 2
  if #sorted % 2 == 1 then
    return sorted[middle + 0.5]
  end
  return #sorted > 0 and (sorted[middle] + sorted[middle + 1]) / 2 or nil
end

-- Servers that are told the same are one server.
local function key_of(subject)
  local words = { subject.server }
  for name, value in pairs(subject.options or {}) do
    words[#words + 1] = name .. '=' .. tostring(value)
  end
  table.sort(words)
  return table.concat(words, ' ')
end

local function start(running, subject, here)
  local key = key_of(subject)
  if running[key] == nil then
    local options = { here = here }
    for name, value in pairs(subject.options or {}) do
      options[name] = value
    end
    local server, why = servers.start(subject.server, options)
    running[key] = server or { why = why }
  end
  return running[key]
end

local function stop_all(running)
  for key, server in pairs(running) do
    if server.process then
      servers.stop(server)
    end
    running[key] = nil
  end
end

local function keep(figures, new)
  for name, value in pairs(new) do
    if type(value) == 'number' then
      figures[name] = figures[name] or {}
      table.insert(figures[name], value)
    end
  end
end

local function measure(subject, running, state, here)
  local server = subject.server and start(running, subject, here)
  if server and server.why then
    state.why = server.why
    return
  end
  local figures, why = subject.measure(server)
  if figures then
    keep(state.figures, figures)
  else
    state.why = why
  end
end

local function run_rounds(group, rounds, states, here, say)
  local running = {}
  local ok, err = pcall(function()
    for round = 1, rounds do
      for _, subject in ipairs(group.subjects) do
        local state = states[subject.name]
        if state.wanted and not state.why then
          say(('%s %d/%d: %s'):format(group.name, round, rounds, subject.name))
          measure(subject, running, state, here)
          if group.fresh then
            stop_all(running)
          end
        end
      end
    end
  end)
  stop_all(running)
  assert(ok, err)
end

local function pair_ratios(of, against)
  local list = {}
  for i = 1, math.min(#of, #against) do
    list[i] = of[i] / against[i]
  end
  return list
end

local function judge(case, states)
  local of, against = states[case.of[1]], case.against and states[case.against[1]]
  local mine = of.figures[case.of[2]] or {}
  local theirs = against and (against.figures[case.against[2]] or {}) or { 1 }
  local result = {
    case = case,
    perilune = median(mine),
    peer = case.unit and '1 ' .. case.unit or case.peer or case.against[1],
    peer_value = median(theirs),
    why = of.why or against and against.why,
  }
  if not result.why and not (result.perilune and result.peer_value) then
    result.why = 'no figure'
  elseif not result.why then
    result.ratio = case.pairs and median(pair_ratios(mine, theirs))
      or result.perilune / result.peer_value
  end
  return result
end

---@param group bench.Group
---@param cases bench.Case[] those of the group that are wanted
---@param options { rounds: integer, here: string, say: fun(text: string) }
---@return bench.Result[]
function M.run(group, cases, options)
  local states = {}
  for _, subject in ipairs(group.subjects) do
    states[subject.name] = { figures = {}, wanted = false }
  end
  for _, case in ipairs(cases) do
    states[case.of[1]].wanted = true
    if case.against then
      states[case.against[1]].wanted = true
    end
  end
  local rounds = options.least and math.max(options.rounds, group.rounds or 0) or options.rounds
  run_rounds(group, rounds, states, options.here, options.say)
  local results = {}
  for i, case in ipairs(cases) do
    results[i] = judge(case, states)
  end
  return results
end

return M
