-- SPDX-License-Identifier: MIT
-- What an error says besides code and message: the details that a peer of ours sent, or of the Java
-- exception it was `class`, the fields as `details`, and the exceptions that caused it as `cause`.
local core = require 'perilune.core'
local errors = require 'perilune.error'

local M = {}

local DEPTH = 8 -- of causes; a peer may send a cycle

-- JSON names the class in a field, and leaves the message where getMessage() is.
local function class_of(thrown)
  return core.class_of(thrown) or type(thrown['@type']) == 'string' and thrown['@type'] or nil
end

local function cause_of(thrown, depth)
  local cause = thrown.cause
  if type(cause) ~= 'table' or rawequal(cause, thrown) or depth == DEPTH then
    return nil
  end
  local class = class_of(cause)
  local message = cause.detailMessage or cause.message
  message = type(message) == 'string' and message or class
  return errors.new('UNKNOWN', message or 'unknown', {
    class = class,
    details = cause,
    cause = cause_of(cause, depth + 1),
  })
end

---@param err perilune.Error
---@param thrown any  the exception or the details as they were decoded
---@return perilune.Error err
function M.attach(err, thrown)
  local class = type(thrown) == 'table' and thrown['@class'] -- of one of ours
  local fields = class and thrown['@fields']
  if type(class) == 'string' and type(fields) == 'table' and not getmetatable(fields) then
    thrown = core.typed(class, fields)
  end
  err.details = thrown
  err.class = type(thrown) == 'table' and class_of(thrown) or nil
  if err.class then
    err.cause = cause_of(thrown, 1)
  end
  return err
end

return M
