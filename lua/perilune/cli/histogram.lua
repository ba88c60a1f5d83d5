-- SPDX-License-Identifier: MIT
-- Latencies by value: 64 buckets for each power of two of microseconds, so that a percentile is off by
-- at most 1.6 % whatever the range, and adding one allocates nothing.
local ffi = require 'ffi'

local M = {}
M.__index = M

local SUB = 64
local POWERS = 40
local log2 = math.log(2)

---@class perilune.cli.Histogram
---@field count integer
---@field max number  ms
---@field sum number  ms

---@return perilune.cli.Histogram
function M.new()
  return setmetatable(
    { count = 0, max = 0, sum = 0, cells = ffi.new('uint32_t[?]', SUB * POWERS) },
    M
  )
end

-- A value of `us` below 64 has a cell of its own; above, cells double in width with each power.
local function cell_of(us)
  if us < SUB then
    return math.floor(us)
  end
  local power = math.floor(math.log(us) / log2 + 1e-9)
  local step = 2 ^ (power - 6)
  return math.min((power - 5) * SUB + math.floor(us / step) - SUB, SUB * POWERS - 1)
end

local function middle_of(cell)
  if cell < SUB then
    return cell + 0.5
  end
  local power = math.floor(cell / SUB) + 5
  return (cell % SUB + SUB + 0.5) * 2 ^ (power - 6)
end

---@param ms number
function M:add(ms)
  ms = ms > 0 and ms or 0
  local cell = cell_of(ms * 1000)
  self.cells[cell] = self.cells[cell] + 1
  self.count = self.count + 1
  self.sum = self.sum + ms
  self.max = ms > self.max and ms or self.max
end

-- The value that `percent` of all values do not exceed, in ms; 0 when there are none.
---@param percent number
---@return number
function M:percentile(percent)
  local wanted, seen = math.max(1, math.ceil(self.count * percent / 100)), 0
  if self.count == 0 then
    return 0
  end
  for cell = 0, SUB * POWERS - 1 do
    seen = seen + self.cells[cell]
    if seen >= wanted then
      return math.min(middle_of(cell) / 1000, self.max)
    end
  end
  return self.max
end

---@return number
function M:mean()
  return self.count > 0 and self.sum / self.count or 0
end

return M
