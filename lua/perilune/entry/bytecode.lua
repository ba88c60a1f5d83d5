-- SPDX-License-Identifier: MIT
-- What the bytecode of filters tells of them, so that chains are no more than they need. In doubt a filter
-- may do anything.
local jit_util = require 'jit.util'
local vmdef = require 'jit.vmdef'

local band, rshift = bit.band, bit.rshift

local M = {}

local function opcode(name)
  return (vmdef.bcnames:find(name .. (' '):rep(6 - #name), 1, true) - 1) / 6
end

local MOV, CAT, RET0 = opcode 'MOV', opcode 'CAT', opcode 'RET0'
local TAIL = { [opcode 'CALLT'] = true, [opcode 'CALLMT'] = true }
-- Instructions that read registers from A on.
local RANGES = {}
for _, name in ipairs {
  'CALL',
  'CALLM',
  'CALLT',
  'CALLMT',
  'ITERC',
  'ITERN',
  'VARG',
  'RET',
  'RETM',
  'TSETM',
} do
  RANGES[opcode(name)] = true
end

local NEXT = 2 -- the register of a filter's third parameter

-- Does the instruction mention the register, alone or within a range?
local function mentions(fn, pc, register)
  local ins, mode = jit_util.funcbc(fn, pc)
  local op, a, d = band(ins, 0xff), band(rshift(ins, 8), 0xff), rshift(ins, 16)
  local ma, mb, mc = band(mode, 7), band(mode, 15 * 8) / 8, band(mode, 15 * 128) / 128
  if ma >= 1 and ma <= 4 and a == register or RANGES[op] and a <= register then
    return true
  end
  local function is(kind, value)
    return kind >= 2 and kind <= 4 and value == register
  end
  if mb == 0 then
    return is(mc, d)
  end
  local b, c = rshift(d, 8), band(d, 0xff)
  return is(mb, b) or is(mc, c) or op == CAT and b <= register and register <= c
end

-- The register that `next` is copied to in order to be called there, or nil.
local function copied(fn, pc)
  local ins = jit_util.funcbc(fn, pc)
  if band(ins, 0xff) == MOV and rshift(ins, 16) == NEXT then
    local register = band(rshift(ins, 8), 0xff)
    return register ~= NEXT and register or nil
  end
end

-- Is what lies in `register` from `pc` on called there, by a tail call, and not used before?
local function tail_called(fn, pc, last, register)
  for at = pc, last do
    local ins = jit_util.funcbc(fn, at)
    if TAIL[band(ins, 0xff)] and band(rshift(ins, 8), 0xff) == register then
      return true
    elseif mentions(fn, at, register) then
      return false
    end
  end
  return false
end

-- Methods share filters, which are looked at once.
---@param look fun(fn: function): boolean
---@return fun(fn: function): boolean
local function once(look)
  local known = setmetatable({}, { __mode = 'k' })
  return function(fn)
    if known[fn] == nil then
      known[fn] = look(fn)
    end
    return known[fn]
  end
end

-- Is `next` never used but in `return next(...)`? Read from the bytecode; in doubt it is not so.
M.goes_before = once(function(fn)
  local info = jit_util.funcinfo(fn)
  if not info.bytecodes or info.isvararg then
    return false
  elseif info.params <= NEXT then
    return true -- it does not even take it
  elseif info.children then
    return false
  end
  for pc = 1, info.bytecodes - 1 do
    local register = copied(fn, pc)
    if register then
      if not tail_called(fn, pc + 1, info.bytecodes - 1, register) then
        return false
      end
    elseif mentions(fn, pc, NEXT) then
      return false
    end
  end
  return true
end)

---@param filters {name: string, fn: function}[]
---@return boolean
function M.all_before(filters)
  for _, filter in ipairs(filters) do
    if not M.goes_before(filter.fn) then
      return false
    end
  end
  return true
end

-- Can `fn` end without a return statement? Read from its bytecode, so that the check for results
-- (a vararg call, which compiled code cannot leave) is only paid by filters that need it.
M.may_return_nothing = once(function(fn)
  local info = jit_util.funcinfo(fn)
  if not info.bytecodes then
    return true -- a C function
  end
  for pc = 1, info.bytecodes - 1 do
    local op = band(jit_util.funcbc(fn, pc), 0xff)
    if op == RET0 then
      return true
    end
  end
  return false
end)

return M
