-- SPDX-License-Identifier: MIT
-- perilune.every: work that is done once per period in each worker. Tickers fire at multiples of
-- their period on the clock all generations share, so that a reload hands over between two of them:
-- none is left out, none fires twice.
local core = require 'perilune.core'
local exit = require 'perilune.exit'
local plugin = require 'perilune.plugin'

local M = {}

---@class perilune.Ticker
---@field place string
---@field period number  ms
---@field fn async fun(turn: integer)
---@field fiber? integer  while it runs
---@field stopped number|false  ms on the clock
local Ticker = {}
Ticker.__index = Ticker

---@param period number
---@param fn async fun(turn: integer)
---@return perilune.Ticker
function M.new(period, fn)
  local place = plugin.place()
  if type(period) ~= 'number' or not (period >= 1 and period < math.huge) then
    error(place .. ': perilune.every: the period must be at least 1 ms', 0)
  elseif type(fn) ~= 'function' then
    error(place .. ': perilune.every needs a function', 0)
  end
  return setmetatable({ place = place, period = period, fn = fn, stopped = false }, Ticker)
end

local function fire(self, turn)
  local ok, message = xpcall(self.fn, debug.traceback, turn)
  if not ok and not core.cancelled() and not exit.threw(message) then
    core.log('error', 'TICKER', ('%s: %s'):format(self.place, tostring(message)))
  end
end

local function now_turn(self)
  return math.floor((core.clock() - self.offset) / self.period)
end

-- Waits for the beginning of a turn; false when the ticker was stopped before it.
---@async
local function rest(self, turn)
  local begins = turn * self.period + self.offset
  while core.clock() < begins and not self.stopped and not core.cancelled() do
    self.resting = true
    core.park(begins - core.clock())
    self.resting = false
  end
  return (self.stopped or core.clock()) >= begins
end

local function run(self)
  local turn = now_turn(self)
  while not self.stopped and not core.cancelled() do
    turn = math.max(turn + 1, now_turn(self))
    if rest(self, turn) then
      fire(self, turn)
    end
  end
end

-- Begins to fire, as work of that generation. Workers take turns within the period; executors, which
-- compute, leave it to them.
---@param owner integer
function Ticker:begin(owner)
  if not self.fiber and not self.stopped and core.role ~= 'executor' then
    self.offset = self.period * ((core.worker or 0) % 16) / 16
    self.fiber = core.spawn(run, self, nil, true, owner)
  end
end

-- Fires no more; what it is doing goes on.
function Ticker:stop()
  self.stopped = self.stopped or core.clock()
  if self.resting then
    core.wake(self.fiber)
  end
end

-- The same without what the one who declared it adds.
M.stop = Ticker.stop

return M
