-- SPDX-License-Identifier: MIT
-- The table people read and the lines programs read.

local cjson = require 'cjson'

local M = {}

local METHOD = [[
Each case compares two figures of one interleaved run: its subjects take turns, %d rounds of %g s
after %g s of warm-up, and the medians are divided (for p99, the median of the rounds' ratios).
CPU is the time of the whole server process, user and kernel, per call completed in the window;
servers run on core %s, the load on core %s. Unless said: 8 connections x 32 requests in flight,
32 unique bytes, one worker, five filters that do nothing, native frames on a negotiated session.
Smaller is better; `must` and `aim` bound the ratio. A case that cannot run counts as neither.
Machine: %s.
]]

local HEADS = { 'case', 'metric', 'perilune', 'peer', 'peer has', 'ratio', 'must', 'aim', '' }
local RIGHT = { [3] = true, [5] = true, [6] = true, [7] = true, [8] = true }

local function first_match(path, pattern)
  local file = io.open(path)
  local text = file and file:read '*a' or ''
  if file then
    file:close()
  end
  return text:match(pattern) or '?'
end

local function machine()
  return ('%s, Linux %s'):format(
    first_match('/proc/cpuinfo', 'model name%s*:%s*([^\n]+)'),
    first_match('/proc/sys/kernel/osrelease', '[^\n]+')
  )
end

local function number(value)
  if not value then
    return '-'
  end
  return (value < 10 and '%.3f' or value < 100 and '%.1f' or '%.0f'):format(value)
end

---@param result bench.Result
---@return string verdict
function M.verdict(result)
  if result.why then
    return 'cannot run: ' .. result.why
  elseif result.ratio <= result.case.aim then
    return 'aim'
  end
  return result.ratio <= result.case.must and 'must' or 'MISSED'
end

local function limit(value)
  return ('%.4g'):format(value)
end

local function row(result)
  local case = result.case
  return {
    case.case,
    case.metric,
    number(result.perilune),
    result.peer,
    number(result.peer_value),
    number(result.ratio),
    limit(case.must),
    limit(case.aim),
    M.verdict(result),
  }
end

local function print_row(cells, widths)
  local padded = {}
  for i, cell in ipairs(cells) do
    local space = (' '):rep(widths[i] - #cell)
    padded[i] = i == #cells and cell or RIGHT[i] and space .. cell or cell .. space
  end
  print((table.concat(padded, '  '):gsub('%s+$', '')))
end

---@param results bench.Result[]
---@param how { rounds: integer, seconds: number, warm: number, server: string, load: string, busy: number? }
function M.table(results, how)
  local rows, widths = { HEADS }, {}
  for i, result in ipairs(results) do
    rows[i + 1] = row(result)
  end
  for _, cells in ipairs(rows) do
    for i, cell in ipairs(cells) do
      widths[i] = math.max(widths[i] or 0, #cell)
    end
  end
  print(METHOD:format(how.rounds, how.seconds, how.warm, how.server, how.load, machine()))
  if how.busy then
    print(('Others used this machine (load average %.1f): expect wide spread.\n'):format(how.busy))
  end
  for _, cells in ipairs(rows) do
    print_row(cells, widths)
  end
end

---@param result bench.Result
---@return string line
function M.json(result)
  local case = result.case
  return cjson.encode {
    case = case.case,
    metric = case.metric,
    perilune = result.perilune or cjson.null,
    peer = result.peer,
    peer_value = result.peer_value or cjson.null,
    ratio = result.ratio or cjson.null,
    must = case.must,
    aim = case.aim,
    cannot_run = result.why,
  }
end

return M
