-- SPDX-License-Identifier: MIT
-- No spec leaves anything behind. In a describe block:
--
--   local leak = require 'spec.support.leak'
--   leak.watch()                              -- blocks
--   leak.watch { futures = function() return tonumber(lib.peri_future_live()) end }
--
-- Each counter is read before each spec and must be back at that value after it.
local assert = require 'luassert'
local c = require 'spec.support.c'

local M = {}

local lib = c.cdef 'base/block.h'

local function blocks()
  return tonumber(lib.peri_block_count())
end

---@param counters? table<string, fun(): integer> more counters by name
function M.watch(counters)
  local all = { blocks = blocks }
  for name, count in pairs(counters or {}) do
    all[name] = count
  end
  local before = {}
  -- busted gives its functions to the environment of the spec file, not to modules.
  local spec = getfenv(2)
  spec.before_each(function()
    for name, count in pairs(all) do
      before[name] = count()
    end
  end)
  spec.after_each(function()
    -- Twice: the first run calls finalizers, the second frees what they let go.
    collectgarbage()
    collectgarbage()
    for name, count in pairs(all) do
      assert.equal(before[name], count(), 'leaked ' .. name)
    end
  end)
end

return M
