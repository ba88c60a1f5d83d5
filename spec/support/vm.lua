-- SPDX-License-Identifier: MIT
-- Specs that run inside a VM of the runtime, where they may wait, serve and call:
--
--   local vm = require 'spec.support.vm'
--   it('waits', vm.inside(function()
--     local greeter = serve { hello = function(ctx, name) return 'hello ' .. name end }
--     assert.equal('hello moon', (greeter:hello 'moon'))
--   end))
--
-- The function is carried over as bytecode into a new VM: it sees no locals of the spec file, only the
-- globals of spec/support/vm/prelude.lua (perilune, core, serve, eventually, advance, logs, assert...).
-- After it nothing may be left: no call, future, connection, fiber or block.
local c = require 'spec.support.c'

local open = assert(package.loadlib(c.build .. '/libperi_testing.so', 'luaopen_peri_vm_testing'))
local testing = open()

local M = {}

M.TURNS = 4000 -- of at most 5 ms

local PRELUDE = c.root .. '/spec/support/vm/prelude.lua'

local function read(path)
  local file = assert(io.open(path, 'rb'))
  local text = file:read '*a'
  file:close()
  return text
end

local prelude = read(PRELUDE)
local lib = c.cdef 'base/block.h'

---Runs a dumped function in a new VM. Returns 'ok' or what went wrong, and what is left over.
---@param dumped string
---@return string
---@return table<string, number>
function M.run(dumped)
  local blocks = tonumber(lib.peri_block_count())
  local vm = testing.new(c.root .. '/lua')
  vm:run(prelude, '@' .. PRELUDE, ('%s/?.lua;%s/lua/?.lua;'):format(c.root, c.build))
  vm:run(dumped, 'spec')
  local result
  for _ = 1, M.TURNS do
    result = vm:turn()
    if result then
      break
    end
  end
  local left = vm:close()
  left.blocks = tonumber(lib.peri_block_count()) - blocks
  return result or 'the spec did not end within its limit of turns', left
end

local RUNNER = [[
local dumped = %s
spec_run(dumped)
]]

---@param fn function  without upvalues
---@param options? {leaks?: boolean, script_errors?: boolean}
---@return function
function M.inside(fn, options)
  assert(
    debug.getinfo(fn, 'u').nups == 0,
    'a spec that runs inside a VM cannot use locals of its file'
  )
  local dumped = string.dump(fn)
  return function()
    local result, left =
      M.run(RUNNER:format(('%q'):format(dumped):gsub('\r', '\\r'):gsub('%z', '\\0')))
    if result ~= 'ok' then
      error(result, 0)
    end
    if options and options.script_errors then
      left.errors = 0
    end
    for name, count in pairs(left) do
      if count ~= 0 then
        error(('left over after the spec: %d %s'):format(count, name), 0)
      end
    end
  end
end

return M
