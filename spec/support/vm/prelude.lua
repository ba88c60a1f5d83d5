-- SPDX-License-Identifier: MIT
-- Globals of specs that run inside a VM (spec/support/vm.lua). Runs first in each VM, with where
-- modules are as its argument.
local path = ...
local core = require 'perilune.core'

package.path = path .. package.path

local logs = {}
---@diagnostic disable-next-line: duplicate-set-field
function core.log(level, tag, text, fields)
  logs[#logs + 1] = { level = level, tag = tag, text = tostring(text), fields = fields }
  if os.getenv 'PERI_SPEC_LOG' then
    io.stderr:write(level, ' ', tag, ' ', tostring(text), '\n')
  end
end

local function absent(name)
  core[name] = core[name]
    or function()
      error('core.' .. name .. ' is not there in specs of the entry layer', 2)
    end
end
for _, name in ipairs { 'shared_incr', 'shared_get', 'shared_set', 'metrics' } do
  absent(name)
end

-- As process/shared.c has it: when the call after the last one is due.
local due = {}
core.shared_take = core.shared_take
  or function(key, interval, burst, cost, max_wait)
    local now = core.clock()
    local next_due = math.max(due[key] or 0, now) + (cost or 1) * interval
    local wait = next_due - (burst or 1) * interval - now
    if wait > (max_wait or 0) + 1e-6 then
      return nil, wait - (max_wait or 0)
    end
    due[key] = next_due
    return math.max(wait, 0)
  end

local counted = {}
core.metric = core.metric
  or function(name, labels)
    local parts = {}
    for key, value in pairs(labels or {}) do
      parts[#parts + 1] = ('%s="%s"'):format(key, value)
    end
    table.sort(parts)
    return #parts > 0 and ('%s{%s}'):format(name, table.concat(parts, ',')) or name
  end
core.count = core.count
  or function(metric, by)
    counted[metric] = (counted[metric] or 0) + (by or 1)
  end
-- What perilune.counter counted so far: { ['name{label="x"}'] = count }.
_G.counted = counted

-- One node, one connection, one attempt: what entry needs of a cluster.
package.preload['perilune.cluster.cluster'] = package.preload['perilune.cluster.cluster']
  or function()
    return require 'spec.support.vm.direct'
  end

local perilune = require 'perilune'
local futures = require 'perilune.entry.future'

_G.core, _G.perilune, _G.assert = core, perilune, require 'luassert'

-- Lines logged so far, and those with a tag.
---@param tag? string
function _G.logged(tag)
  local found = {}
  for _, line in ipairs(logs) do
    if not tag or line.tag == tag then
      found[#found + 1] = line
    end
  end
  return found
end

-- Lets turns pass until `condition` holds; the first ones as fast as they go.
function _G.eventually(condition, what)
  for i = 1, 2000 do
    local result = condition()
    if result then
      return result
    end
    core.sleep(i > 50 and 1 or 0)
  end
  error('still not true after 2000 turns: ' .. (what or 'condition'), 2)
end

-- Lets `n` turns pass.
function _G.turns(n)
  for _ = 1, n or 1 do
    core.sleep(0)
  end
end

-- Puts the clock forward and lets what became due run.
function _G.advance(ms)
  core.test_advance(ms)
  core.sleep(1)
  turns(3)
end

local count = 0
-- Exports `service` and returns a proxy that calls it through a socket.
---@param service table<string, function>
---@param export? table  further options of the export
---@param refer? table   further options of the refer
function _G.serve(service, export, refer)
  count = count + 1
  local spec = { interface = 'demo.Spec' .. count, service = service }
  for key, value in pairs(export or {}) do
    spec[key] = value
  end
  perilune.export(spec)
  local want = { interface = spec.interface, alias = spec.alias, url = core.test_url() }
  for key, value in pairs(refer or {}) do
    want[key] = value
  end
  return perilune.refer(want), spec.interface
end

_G.stats = core.test_stats

local function leaks()
  local declare = require 'perilune.entry.declare'
  declare.close()
  for _ = 1, 200 do
    if futures.pending() == 0 and core.test_stats().futures == 0 then
      break
    end
    core.sleep(1)
  end
  if futures.pending() ~= 0 then
    error(futures.pending() .. ' Lua futures are still pending', 0)
  end
end

-- Runs a dumped spec in this fiber and ends the VM with what came of it.
function _G.spec_run(dumped)
  local fn = assert(loadstring(dumped))
  local ok, message = xpcall(fn, function(err)
    -- luassert throws tables with a message that can be shown.
    return debug.traceback(tostring(err), 2)
  end)
  if ok then
    ok, message = pcall(leaks)
  end
  core.test_exit(ok and 'ok' or tostring(message))
end
