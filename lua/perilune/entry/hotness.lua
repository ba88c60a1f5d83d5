-- SPDX-License-Identifier: MIT
-- Lets compiled code begin where a chain begins. LuaJIT starts a trace at whatever function was called
-- often enough first; all functions of a chain are called equally often, filters even more so, since
-- methods share them. A trace that begins in the middle costs the way to it, and handles of the call that
-- nobody would need come to life at each border; and one of a shared filter fits a single method only. So
-- the first calls of a method start no trace, and then its chain is the one to start it.
local core = require 'perilune.core'
local jit_opt = require 'jit.opt'

-- Calls of a function until it is compiled, counted down from 2 * HOTLOOP - 1.
local HOTLOOP = 56
-- The same for what runs once per generation.
local RARE = 2000

local M = {}

-- Called by C before each of the first calls of a method; `last` says that there are no more of them.
---@param chain fun(slot: integer?, gen: integer?)  does nothing without a call
---@param last boolean
function M.on_cold(chain, last)
  jit_opt.start('hotloop=' .. HOTLOOP) -- sets back the counters of all functions
  if last then
    for _ = 1, 2 * HOTLOOP - 1 do
      chain()
    end
  end
end
jit.off(M.on_cold)

-- While a generation loads hardly anything is worth a trace, but the few counters of a VM, which all its
-- functions share, run out all the time, and compiling took a third of a load. What really is a long loop
-- still becomes a trace.
function M.rest()
  jit_opt.start('hotloop=' .. RARE)
end

function M.resume()
  jit_opt.start('hotloop=' .. HOTLOOP)
end

core.on_cold(M.on_cold)

return M
