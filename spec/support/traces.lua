-- SPDX-License-Identifier: MIT
-- What the compiler made of a piece of code. Runs inside a VM of the runtime:
--
--   local seen = traces.record(function() ... end, 100)   -- runs it 100 times
--   traces.compiled(seen, 'chain demo.Greeter.hello:29')  -- a whole trace begins there
--   assert.same({}, traces.bad(seen, 'chain demo'))       -- nothing went wrong there
--
-- Bad is what leaves compiled code for good: a trace aborted because of what the code does, one that ends
-- in the interpreter, or a stitch (back to the interpreter for one call).
local vmdef = require 'jit.vmdef'
local util = require 'jit.util'

local M = {}

local function place(fn, pc)
  local info = util.funcinfo(fn, pc)
  return info.loc or info.source or '(C function)'
end

local function reason(code, extra)
  local text = vmdef.traceerr[code] or 'error ' .. tostring(code)
  if type(extra) == 'function' then
    extra = place(extra)
  elseif type(extra) == 'number' and text:find('bytecode', 1, true) then
    return 'NYI: bytecode ' .. vmdef.bcnames:sub(extra * 6 + 1, extra * 6 + 6)
  end
  return (text:gsub('%%[sd]', tostring(extra)))
end

-- Reasons that say nothing about the code: a trace that began in an inner function or loop ended with it;
-- the compiler begins again further out.
local HARMLESS = {
  ['leaving loop in root trace'] = true,
  ['inner loop in root trace'] = true,
  ['NYI: return to lower frame'] = true,
  ['retry recording'] = true,
}

---@param fn fun(i: integer)
---@param count integer
---@return {start: string, at: string, what: string, bad: boolean, after?: boolean}[]  after a stitch
function M.record(fn, count)
  local seen, starts, stitched = {}, {}, {}
  local function on_trace(what, tr, func, pc, code, extra)
    if what == 'start' then
      starts[tr], stitched[tr] = place(func, pc), extra == -1
    elseif what == 'abort' then
      local why = reason(code, extra)
      seen[#seen + 1] =
        { start = starts[tr] or '?', at = place(func, pc), what = why, bad = not HARMLESS[why] }
    elseif what == 'stop' then
      local link = util.traceinfo(tr).linktype
      local bad = link == 'stitch' or link == 'interpreter'
      seen[#seen + 1] = {
        start = starts[tr],
        at = starts[tr],
        what = 'ends in ' .. link,
        bad = bad,
        after = stitched[tr],
      }
    end
  end
  jit.flush()
  jit.opt.start('hotloop=10', 'hotexit=4')
  jit.attach(on_trace, 'trace')
  for i = 1, count do
    fn(i)
  end
  jit.attach(on_trace)
  return seen
end

-- Does a trace begin at a place that contains `part`, and end in a return or in its own loop?
---@param seen table
---@param part string
---@return boolean
function M.compiled(seen, part)
  for _, trace in ipairs(seen) do
    if
      trace.start:find(part, 1, true)
      and (trace.what == 'ends in return' or trace.what == 'ends in loop')
    then
      return true
    end
  end
  return false
end

---@param seen table
---@param ... string  parts of the places that count
---@return string[] what is bad there
function M.bad(seen, ...)
  local found = {}
  for _, trace in ipairs(seen) do
    for _, part in ipairs { ... } do
      if trace.bad and (trace.at:find(part, 1, true) or trace.start:find(part, 1, true)) then
        found[#found + 1] = ('%s: %s (trace from %s)'):format(trace.at, trace.what, trace.start)
        break
      end
    end
  end
  return found
end

return M
