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

-- What a peer of ours made of an exception and of what caused it.
local function unwrapped(thrown)
  local class, fields = rawget(thrown, '@class'), rawget(thrown, '@fields')
  if type(class) ~= 'string' or type(fields) ~= 'table' or getmetatable(fields) then
    return thrown
  end
  if type(fields.cause) == 'table' then
    fields.cause = unwrapped(fields.cause)
  end
  return core.typed(class, fields)
end

-- Java's providers throw this at generic consumers, in place of an exception that they need not have.
local function stood_for(thrown)
  local class = thrown.exceptionClass
  if type(class) ~= 'string' or not (class_of(thrown) or ''):find '%.GenericException$' then
    return thrown, nil
  end
  local message = thrown.exceptionMessage
  message = type(message) == 'string' and message or nil
  return core.typed(class, { detailMessage = message }), message or class
end

---@param err perilune.Error
---@param thrown any  the exception or the details as they were decoded
---@return perilune.Error err
function M.attach(err, thrown)
  if type(thrown) == 'table' then
    local message
    thrown, message = stood_for(unwrapped(thrown))
    err.message = message or err.message
  end
  err.details = thrown
  err.class = type(thrown) == 'table' and class_of(thrown) or nil
  if err.class then
    err.cause = cause_of(thrown, 1)
  end
  return err
end

return M
