-- SPDX-License-Identifier: MIT
-- Which of the nodes of a list a worker connects to: asks the plan's candidate and checks what it gives.
local core = require 'perilune.core'
local text_of = require 'perilune.text'
local C = require 'perilune.ffi'

local M = {}

local chooser = core.random()

local function groups_of(cluster, entry)
  local groups = {}
  for i, selector in ipairs(cluster.plan.selectors) do
    local by, ok, value = selector.by, true, nil
    if type(by) == 'string' then
      value = entry.meta[by]
    elseif by then
      ok, value = pcall(by, { id = entry.address, address = entry.address, meta = entry.meta })
    end
    if ok and value ~= nil then
      groups[#groups + 1] = i .. ':' .. text_of(value)
    end
  end
  return groups
end

local function better(a, b)
  if a.failing ~= b.failing then
    return b.failing
  elseif a.rank ~= b.rank then
    return a.rank > b.rank
  end
  return a.entry.address < b.entry.address
end

-- The entries in this worker's own order, which changes little when the list does; those that could
-- not be reached come last.
local function ranked(cluster, entries)
  local rows, list = {}, {}
  for i, entry in ipairs(entries) do
    local suspect = cluster.suspects[entry.url]
    rows[i] = {
      entry = entry,
      rank = C.peri_node_rank(entry.address, chooser + (core.worker or 0)),
      failing = suspect ~= nil and suspect > core.clock(),
    }
  end
  table.sort(rows, better)
  for i, row in ipairs(rows) do
    list[i] = row.entry
  end
  return list
end

-- What is wrong with what a candidate gave, or nil.
local function strange(cluster, chosen)
  if type(chosen) ~= 'table' then
    return ('gave a %s; it must give a list of entries'):format(type(chosen))
  end
  local known = {}
  for _, entry in ipairs(cluster.entries) do
    known[entry] = true
  end
  for i, entry in ipairs(chosen) do
    if not known[entry] then
      return ('gave as number %d none of the entries it got'):format(i)
    end
  end
end

-- Which of the known entries this worker connects to. A candidate that fails is told, and as many as there
-- is room for are taken without it.
---@param cluster perilune.cluster.Cluster
---@return perilune.cluster.Entry[]
function M.choose(cluster)
  local want = {
    connections = cluster.connections,
    ranked = function(entries)
      return ranked(cluster, entries)
    end,
    groups = cluster.plan.indexed and function(entry)
      return groups_of(cluster, entry)
    end or nil,
  }
  local ok, chosen = pcall(cluster.plan.choose, cluster.entries, want)
  local wrong = not ok and 'threw: ' .. tostring(chosen) or strange(cluster, chosen)
  if not wrong then
    return chosen
  end
  local text = "candidate '%s' of %s %s; the nodes are chosen without it"
  core.log('error', 'CANDIDATE', text:format(cluster.plan.candidate, cluster.name, wrong))
  local list = {}
  for i, entry in ipairs(want.ranked(cluster.entries)) do
    list[i] = i <= cluster.connections and entry or nil
  end
  return list
end

return M
