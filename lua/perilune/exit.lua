-- SPDX-License-Identifier: MIT
-- `os.exit`, which scripts may call anywhere. A process that serves drains, as at SIGTERM, and ends with that
-- code; one that does not yet, or never will (commands), ends at once. What called it goes no further.
local core = require 'perilune.core'
local errors = require 'perilune.error'

local M = {}

-- Why nothing may end the process now, or false.
M.forbidden = false
-- What drains the process and ends it, once it serves: function(code, place).
M.leave = false ---@type fun(code: integer, place: string)|false
-- The code that was asked for here.
M.code = nil ---@type integer?

-- A program that has us inside goes on, whatever a script says.
function M.of_embedded()
  return core.embedded
    and 'os.exit before everything is open would end the program around; throw an error instead'
end

-- Was this thrown by os.exit, for nobody to complain of?
---@param err any
---@return boolean
function M.threw(err)
  return errors.is(err) and err.ends == 'process'
end

local plain = os.exit

local function number_of(code)
  if code == nil or code == true then
    return 0
  end
  return code and (tonumber(code) or 1) % 256 or 1
end

local function place()
  local info = debug.getinfo(3, 'Sl')
  return info and info.currentline > 0 and ('%s:%d'):format(info.short_src, info.currentline) or '?'
end

---@diagnostic disable-next-line: duplicate-set-field
function os.exit(code, ...) -- luacheck: ignore 122
  if M.forbidden then
    error(M.forbidden, 2)
  elseif M.leave then
    code = number_of(code)
    M.code = M.code or code
    M.leave(code, place())
    -- Not one that may be retried: elsewhere the same would happen.
    local text = ('os.exit(%d): the process is ending'):format(code)
    error(errors.new('CANCELLED', text, { ends = 'process' }), 0)
  elseif core.end_now then
    core.end_now(number_of(code))
  end
  plain(code, ...)
end

return M
