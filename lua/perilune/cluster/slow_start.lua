-- SPDX-License-Identifier: MIT
-- Slow start: a provider that has just begun gets a part of its weight, growing with its age, while
-- it warms up. The age is that of the provider's process, so that one which has been up for long is
-- never slowed down, whoever looks at it for the first time. A clock of the provider's that is ahead
-- of ours cannot hold it back: it is at least as old as we have known it.
local core = require 'perilune.core'

local M = {}

M.TICK = 500

---@class perilune.cluster.SlowStart
---@field ramp fun(age: number, weight: number): number
---@field growing table<perilune.cluster.Link, boolean>
local SlowStart = {}
SlowStart.__index = SlowStart

---@param cluster perilune.cluster.Cluster
---@param ramp fun(age: number, weight: number): number
---@return perilune.cluster.SlowStart
function M.new(cluster, ramp)
  return setmetatable({ cluster = cluster, ramp = ramp, growing = {}, lists = 0 }, SlowStart)
end

-- How long the provider behind a link has been up, in ms.
local function age_of(self, link)
  local began = tonumber(link.node.meta.start_time)
    or link.negotiated and link.negotiated.remote_start
  began = began and began > 0 and began or 0
  local known = link.known
  if not known or known.began ~= began then
    -- Who does not say when it began is new when it came after the others.
    local before = not known and began == 0 and link.first
    known = { began = began, since = before and -math.huge or core.clock() }
    link.known = known
  end
  local age = core.clock() - known.since
  return began > 0 and math.max(age, core.walltime() - began) or age
end

-- Sets the node's weight as its age is now; true while it still grows.
local function grow(self, link)
  local full = link.weight
  local ok, weight = pcall(self.ramp, age_of(self, link), full)
  if not ok or type(weight) ~= 'number' or weight ~= weight then
    local what = ok and ('gave %s, not a weight'):format(tostring(weight))
      or 'threw: ' .. tostring(weight)
    local text = 'slow_start of %s %s; the node has all its weight'
    core.log('error', 'SLOW-START', text:format(self.cluster.name, what))
    weight = full
  end
  weight = full > 0 and math.max(1, math.min(full, math.floor(weight + 0.5))) or 0
  rawget(link.node, '_c').weight = weight
  return weight < full
end

local function run(self)
  while next(self.growing) and not self.cluster.closed do
    core.sleep(M.TICK)
    for link in pairs(self.growing) do
      if link.state ~= 'ready' or not grow(self, link) then
        self.growing[link] = nil
      end
    end
    self.cluster:rebuild() -- whatever was derived from the weights
  end
  self.running = false
end

-- A node is ready.
---@param link perilune.cluster.Link
function SlowStart:begin(link)
  if grow(self, link) then
    self.growing[link] = true
    if not self.running then
      self.running = true
      core.spawn(run, self, nil, true)
    end
  end
end

-- The list came anew, with the weights that nodes have when they are warm.
---@param order perilune.cluster.Link[]
function SlowStart:listed(order)
  self.lists = self.lists + 1
  for _, link in ipairs(order) do
    if link.first == nil then
      link.first = self.lists == 1
    end
    if self.growing[link] then
      grow(self, link)
    end
  end
end

return M
