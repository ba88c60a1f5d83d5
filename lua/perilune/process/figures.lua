-- SPDX-License-Identifier: MIT
-- What a process did for whom: figures of each exported method and of each node, summed over the
-- workers. The worker that is asked has the others send theirs.
local core = require 'perilune.core'
local declare = require 'perilune.entry.declare'

local M = {}

M.WAIT = 1000 -- ms for the other workers
M.MOST = 1000 -- methods and nodes of one worker that are told

-- ── this worker ─────────────────────────────────────────────────────────────────────────────────

local function cluster_name(refer)
  return refer.alias ~= '' and refer.interface .. ':' .. refer.alias or refer.interface
end

local function add_nodes(rows, name, nodes)
  for _, node in ipairs(nodes) do
    if #rows < M.MOST then
      rows[#rows + 1] = {
        cluster = name,
        address = node.address,
        state = node.state,
        active = node.active,
        latency = node.latency,
        errors = node.errors,
        calls = node.calls,
        weight = node.weight,
      }
    end
  end
end

-- The nodes that refers of this worker know.
---@return table[]
function M.nodes()
  local rows = {}
  for _, refer in ipairs(declare.declarations().refers) do
    local cluster = refer.cluster
    if cluster then
      add_nodes(rows, cluster_name(refer), cluster:all_nodes())
    end
  end
  return rows
end

-- Calls are counted by the worker they came to; what executors count of them is not told twice.
local function mine()
  local methods = core.role == 'executor' and {} or core.method_stats(M.MOST)
  return { methods = core.array(methods), nodes = core.array(M.nodes()) }
end

-- ── all workers ─────────────────────────────────────────────────────────────────────────────────

local asked, surveys = 0, {}

local function on_ask(payload, from)
  local question = core.decode(payload)
  local part = mine()
  part.id, part.executor = question.id, core.role == 'executor'
  core.post(from, 'figures.part', core.encode(part))
end

local function on_part(payload)
  local part = core.decode(payload)
  local survey = part and surveys[part.id]
  if survey then
    survey.parts[#survey.parts + 1] = part
    survey.workers = survey.workers + (part.executor and 0 or 1)
    if #survey.parts >= core.workers + core.executors then
      core.wake(survey.fiber, true)
    end
  end
end

-- Rows of all parts that agree in `keys`, added up by `add`.
local function merged(parts, field, keys, add)
  local rows, by_key = {}, {}
  for _, part in ipairs(parts) do
    for _, row in ipairs(part[field]) do
      local words = {}
      for i, key in ipairs(keys) do
        words[i] = row[key]
      end
      local key = table.concat(words, '\0')
      local known = by_key[key]
      if known then
        add(known, row)
      else
        by_key[key] = row
        rows[#rows + 1] = row
        row.key = key
      end
    end
  end
  table.sort(rows, function(a, b)
    return a.key < b.key
  end)
  for _, row in ipairs(rows) do
    row.key = nil
  end
  return rows
end

local function add_method(sum, row)
  for _, number in ipairs(row.took) do
    sum.took[#sum.took + 1] = number
  end
  for _, key in ipairs { 'calls', 'errors', 'rejected', 'active', 'busy_ms' } do
    sum[key] = sum[key] + row[key]
  end
end

-- The smallest of the values that at least `part` of all calls did not exceed; nil of none.
---@param took number[]  a value, then how often it came, in any order
---@param part number
---@return number?
function M.quantile(took, part)
  local pairs_of, total = {}, 0
  for i = 1, #took, 2 do
    pairs_of[#pairs_of + 1] = { took[i], took[i + 1] }
    total = total + took[i + 1]
  end
  table.sort(pairs_of, function(a, b)
    return a[1] < b[1]
  end)
  local seen = 0
  for _, pair in ipairs(pairs_of) do
    seen = seen + pair[2]
    if seen >= part * total then
      return pair[1]
    end
  end
end

-- Latency is that of the worker that has called most; states are told with how many workers see them.
local function add_node(sum, row)
  if row.calls > sum.calls then
    sum.latency = row.latency
  end
  for _, key in ipairs { 'calls', 'errors', 'active' } do
    sum[key] = sum[key] + row[key]
  end
  sum.states[row.state] = (sum.states[row.state] or 0) + 1
end

-- The figures of the process. `workers` says how many answered in time.
---@async
---@return {methods: table[], nodes: table[], workers: integer}
function M.collect()
  asked = asked + 1
  local survey = { parts = {}, workers = 0, fiber = core.fiber() }
  surveys[asked] = survey
  core.post(-1, 'figures.ask', core.encode { id = asked })
  core.park(M.WAIT)
  surveys[asked] = nil
  for _, part in ipairs(survey.parts) do
    for _, node in ipairs(part.nodes) do
      node.states = { [node.state] = 1 }
    end
  end
  local methods = merged(survey.parts, 'methods', { 'interface', 'alias', 'method' }, add_method)
  for _, row in ipairs(methods) do
    local done = row.calls - row.active
    row.mean_ms = done > 0 and row.busy_ms / done or 0
    row.p50_ms, row.p99_ms = M.quantile(row.took, 0.5), M.quantile(row.took, 0.99)
    row.busy_ms, row.took = nil, nil
  end
  local nodes = merged(survey.parts, 'nodes', { 'cluster', 'address' }, add_node)
  for _, row in ipairs(nodes) do
    row.state = nil
  end
  return {
    methods = core.array(methods),
    nodes = core.array(nodes),
    workers = survey.workers,
  }
end

-- Answers the other workers' questions.
function M.serve()
  core.on_message('figures.ask', on_ask)
  core.on_message('figures.part', on_part)
end

return M
