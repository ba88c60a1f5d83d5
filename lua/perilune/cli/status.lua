-- SPDX-License-Identifier: MIT
local core = require 'perilune.core'
local perilune = require 'perilune'
local target = require 'perilune.cli.target'
local terminal = require 'perilune.cli.terminal'

local M = { summary = 'Ask a process on this machine how it is.' }

function M.describe(parser)
  parser:argument('url', 'Where, such as joyrpc://127.0.0.1:22000.')
  parser:option('--timeout', 'Deadline in ms.', '5000'):argname '<ms>':convert(tonumber)
  parser:flag('--json', 'As one JSON object.')
end

local function duration(ms)
  local seconds = math.floor((ms or 0) / 1000)
  if seconds < 120 then
    return seconds .. ' s'
  elseif seconds < 7200 then
    return math.floor(seconds / 60) .. ' min'
  end
  return math.floor(seconds / 3600) .. ' h'
end

-- '3, loaded 20 s ago, source 0123, 1 call, 2 fibers; 2: 4 calls, 5 fibers'
local function generation_text(list)
  local parts = {}
  for i, row in ipairs(list or {}) do
    local age = i == 1
        and (', loaded %s ago, source %s, '):format(duration(row.age_ms), row.source or '?')
      or ' still has '
    parts[i] = ('%d%s%d calls, %d fibers'):format(row.number, age, row.calls, row.fibers)
  end
  return table.concat(parts, '; ')
end

local function reload_text(ms)
  return ms and (', a reload is under way for %s'):format(duration(ms)) or ''
end

-- '2, 1 busy, 0 queued, 17 done, 0 refused, 0 late'
local function executors_text(pool)
  return ('%d, %d busy, %d queued, %d done, %d refused, %d late'):format(
    pool.executors,
    pool.busy,
    pool.queued,
    pool.done,
    pool.refused,
    pool.late
  )
end

local function methods_table(list)
  local rows =
    { { 'METHOD', 'CALLS', 'ERRORS', 'REJECTED', 'ACTIVE', 'MEAN MS', 'P50 MS', 'P99 MS' } }
  for _, row in ipairs(list or {}) do
    if row.calls + row.rejected > 0 then
      local alias = row.alias ~= '' and ' (' .. row.alias .. ')' or ''
      rows[#rows + 1] = {
        row.interface .. '.' .. row.method .. alias,
        tonumber(row.calls),
        tonumber(row.errors),
        tonumber(row.rejected),
        tonumber(row.active),
        ('%.3f'):format(row.mean_ms),
        ('%.3f'):format(row.p50_ms or 0),
        ('%.3f'):format(row.p99_ms or 0),
      }
    end
  end
  return rows
end

-- 'ready', or 'ready 3, down 1' where the workers see it differently.
local function states_text(states)
  local names, parts = {}, {}
  for name in pairs(states) do
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do
    parts[i] = #names > 1 and ('%s %d'):format(name, states[name]) or name
  end
  return table.concat(parts, ', ')
end

local function nodes_table(list)
  local rows = { { 'NODE', 'OF', 'STATE', 'CALLS', 'ERRORS', 'ACTIVE', 'LATENCY MS', 'WEIGHT' } }
  for _, row in ipairs(list or {}) do
    rows[#rows + 1] = {
      row.address,
      row.cluster,
      states_text(row.states),
      tonumber(row.calls),
      tonumber(row.errors),
      tonumber(row.active),
      ('%.3f'):format(row.latency),
      tonumber(row.weight),
    }
  end
  return rows
end

local function show_figures(status)
  for _, rows in ipairs { methods_table(status.methods), nodes_table(status.nodes) } do
    if #rows > 1 then
      print()
      print(terminal.columns(rows))
    end
  end
  if status.figures_of and status.figures_of < status.workers then
    print(
      ('(of %d of %d workers; the others did not answer)'):format(status.figures_of, status.workers)
    )
  end
end

local function show(status)
  local ready = status.ready and terminal.color('green', 'ready')
    or terminal.color('yellow', 'not ready')
  print(terminal.columns {
    { 'process', ('%s, pid %d, %s'):format(ready, status.pid, status.script or '') },
    { 'version', status.version },
    { 'up', duration(status.uptime_ms) },
    { 'workers', tostring(status.workers) },
    { 'executors', status.executors and executors_text(status.executors) or 'none' },
    { 'generation', generation_text(status.generations) .. reload_text(status.reloading_ms) },
    { 'listening', table.concat(status.listening or {}, ', ') },
    { 'services', table.concat(status.services or {}, ', ') },
  })
  show_figures(status)
  local names, rows = {}, {}
  for name in pairs(status.metrics) do
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do
    rows[i] = { name, tonumber(status.metrics[name]) }
  end
  print()
  print(terminal.columns(rows))
end

---@async
function M.run(args)
  local wrong = target.wrong_timeout(args.timeout) or target.wrong_url(args.url)
  if wrong then
    return 2, wrong
  end
  local admin = target.admin(args.url, args.timeout)
  local status, err = perilune.call(admin, 'status')
  if err ~= nil then
    return 1, ('%s: %s'):format(args.url, tostring(err))
  end
  if args.json then
    print(core.encode(status))
  else
    show(status)
  end
  return 0
end

return M
