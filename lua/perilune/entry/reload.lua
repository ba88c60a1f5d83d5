-- SPDX-License-Identifier: MIT
-- What a reload does in one VM. The control VM (process/reload.lua) leads all of them through it, so
-- that either every VM runs the new generation or none does:
--
--   load -> open -> switch -> retire        the new one takes over, the old one finishes
--       \------\--> discard                 nothing has changed
--
-- Until `switch` the new generation serves nothing. `switch` itself does not wait and cannot fail.
local core = require 'perilune.core'
local declare = require 'perilune.entry.declare'
local events = require 'perilune.events'
local exporter = require 'perilune.entry.exporter'
local generation = require 'perilune.generation'
local hotness = require 'perilune.entry.hotness'
local options = require 'perilune.entry.options'
local plugin = require 'perilune.plugin'
local referer = require 'perilune.entry.referer'
local tickers = require 'perilune.entry.ticker'
local toplevel = require 'perilune.entry.toplevel'

local M = {}

M.READY = 2000 -- ms that clusters of the new generation get to reach what the old ones had reached
M.GRACE = 5000 -- ms for background work of the old one
local POLL = 20
-- What the collector goes through while a generation loads, in percent of what is allocated (200 elsewhere):
-- a load brings so much at once that the calls behind it would wait for half a collection. Its share is
-- made good afterwards, in pieces.
local LOAD_STEP = 10
local PIECES, PIECE_MS = 10, 2

-- Old generations whose refers somebody outside of generations still uses (perilune.main).
local pinned = {} ---@type table<integer, perilune.Declarations>

-- ── before ──────────────────────────────────────────────────────────────────────────────────────

local function load(number, conf)
  plugin.begin(number)
  generation.loading = number
  local ok, wrong = pcall(options.configure, conf)
  generation.loading = false
  if not ok then
    return nil, tostring(wrong)
  end
  local before = options.refer.timeout.default
  options.refer.timeout.default = conf.call_timeout or before
  local ms = conf.load_timeout or toplevel.MS
  toplevel.bound_aside(ms)
  local mine, message = declare.load(conf.path, conf.args, number, ms)
  options.refer.timeout.default = before
  if not mine then
    return nil, message
  end
  message = exporter.conflict(mine.exports, generation.active)
  if message then
    return nil, message
  end
  return mine
end

-- KB that the collector has not kept up with.
local owed = 0

local function collect(pieces, ms)
  local steps = math.ceil(owed / 2 / pieces) -- one for each KB, but half of the time it rests
  owed = 0
  for _ = 1, pieces do
    if ms > 0 then
      core.sleep(ms)
    end
    for _ = 1, steps do
      collectgarbage('step', 0)
    end
  end
end

-- Loads the entrypoint as generation `number`; nothing of it is in service. When it fails `discard`
-- is all that is left to do.
---@param number integer
---@param conf {path: string, args: string[], defaults?: table, call_timeout?: integer, load_timeout?: integer}
---@return perilune.Declarations?
---@return string? message
function M.load(number, conf)
  hotness.rest()
  local step, before = collectgarbage('setstepmul', LOAD_STEP), collectgarbage 'count'
  local ok, mine, message = xpcall(load, debug.traceback, number, conf)
  local wanted = collectgarbage('setstepmul', step)
  if wanted ~= LOAD_STEP then
    collectgarbage('setstepmul', wanted) -- the script has its own
  end
  owed = owed + math.max(0, collectgarbage 'count' - before)
  hotness.resume()
  if not ok then
    error(mine, 0)
  end
  return mine, message
end

local function key_of(spec)
  return spec.interface .. ':' .. spec.alias
end

-- Clusters of the old generation by service, in the order of their declarations.
local function clusters_of(mine)
  local found = {}
  for _, spec in ipairs(mine.refers) do
    if spec.cluster and spec.cluster.known then -- not those of this process itself
      local list = found[key_of(spec)] or {}
      found[key_of(spec)] = list
      list[#list + 1] = spec.cluster
    end
  end
  return found
end

-- Opens the clusters that the old generation has open too, so that calls find them connected.
local function open_refers(mine, old)
  local before = clusters_of(old)
  local pairs_of = {}
  for _, spec in ipairs(mine.refers) do
    local list = before[key_of(spec)]
    local took = list and (#list > 1 and table.remove(list, 1) or list[1])
    local ok, cluster, message = generation.run(mine.number, referer.open, spec, took)
    if not ok or not cluster then
      return ok and message or cluster
    end
    if took and cluster.known then
      pairs_of[#pairs_of + 1] = { new = cluster, old = took }
    end
  end
  local till = core.clock() + M.READY
  for _, pair in ipairs(pairs_of) do
    local count = math.min(#pair.old.ready_nodes, #pair.new:all_nodes())
    if count > 0 then
      pair.new:ready(math.max(0, till - core.clock()), count)
    end
  end
end

local function close_refers(mine)
  for _, spec in ipairs(mine.refers) do
    referer.close(spec)
  end
end

-- Opens what may fail: clusters and start functions. Returns true, or nil and what failed.
---@async
---@param number integer
---@return boolean?
---@return string? message
function M.open(number)
  local mine = declare.declarations(number)
  local message = open_refers(mine, declare.declarations())
  if mine.discarded then
    close_refers(mine)
    return nil, 'the reload was given up'
  end
  message = message or declare.run_starts(mine)
  -- start functions may export, too
  message = message or exporter.conflict(mine.exports, generation.active)
  if message then
    return nil, message
  end
  return true
end

local function wait_for(number, till)
  local calls, fibers = core.held(number)
  while calls + fibers > 0 and core.clock() < till do
    core.sleep(POLL)
    calls, fibers = core.held(number)
  end
  return calls + fibers == 0
end

local function forget(mine)
  exporter.forget(mine.exports)
  plugin.drop(mine.number)
  options.drop(mine.number)
  require('perilune.process.embed').drop(mine.number)
  declare.forget(mine.number)
end

local function stop_tickers(mine)
  for _, ticker in ipairs(mine.tickers) do
    tickers.stop(ticker)
  end
end

-- Undoes what load and open did.
---@async
---@param number integer
function M.discard(number)
  local mine = declare.declarations(number)
  if mine.number ~= number then
    return
  end
  mine.discarded = true
  events.retire(function(of)
    return of == number
  end)
  stop_tickers(mine)
  if mine.restore_modules then
    mine.restore_modules()
  end
  if mine.restore_globals then
    mine.restore_globals()
  end
  core.cancel_background(number)
  wait_for(number, core.clock() + M.GRACE)
  close_refers(mine)
  forget(mine)
  collect(1, 0)
end

-- ── after ───────────────────────────────────────────────────────────────────────────────────────

-- The new generation takes over: calls that come from now on are its own.
---@param number integer
---@param serve boolean  workers do, the control VM not
---@return integer old
function M.switch(number, serve)
  local old = generation.active
  local mine, before = declare.declarations(number), declare.declarations(old)
  if serve then
    exporter.switch(mine.exports, old)
  end
  generation.activate(number)
  events.retire(function(of)
    return of == old
  end)
  stop_tickers(before)
  for _, ticker in ipairs(serve and mine.tickers or {}) do
    ticker:begin(number)
  end
  mine.restore_modules, mine.restore_globals = nil, nil
  return old
end

-- Waits until the old generation has finished: its calls end by their own deadlines, its background
-- work is cancelled after `grace` ms. Then lets go of it.
---@async
---@param old integer
---@param serve boolean
---@param grace? number ms
function M.retire(old, serve, grace)
  local mine = declare.declarations(old)
  local till = core.clock() + (grace or M.GRACE)
  if serve then
    core.spawn(declare.run_stops, mine, nil, true, old)
  end
  collect(PIECES, PIECE_MS)
  if not wait_for(old, till) then
    core.cancel_background(old)
    while not wait_for(old, core.clock() + 1000) do
      core.cancel_background(old)
    end
  end
  if mine.pinned then
    pinned[old] = mine
  else
    close_refers(mine)
  end
  forget(mine)
end

-- perilune.main began with the active generation and goes on with it, reloads or not: its refers stay.
-- Returns what ends that.
---@return fun()
function M.pin()
  local mine = declare.declarations()
  mine.pinned = true
  return function()
    mine.pinned = nil
    if pinned[mine.number] then
      pinned[mine.number] = nil
      close_refers(mine)
    end
  end
end

-- Closes what is still pinned, when the process ends.
function M.close()
  for number, mine in pairs(pinned) do
    pinned[number] = nil
    close_refers(mine)
  end
end

return M
