-- SPDX-License-Identifier: MIT
-- Errors as values: what a call, a registry or a declaration failed with. Policies branch on `code`,
-- people read `message`. Codes, wire numbers and the retry column mirror src/base/err_defs.h; a spec
-- compares them.

---@alias perilune.Outcome
---| 'NOT_SENT' # the request never left this process
---| 'REFUSED'  # the server says that it did not run the call
---| 'UNKNOWN'  # the call may have run

---@class perilune.Error
---@field code string        a name of perilune.error.codes
---@field message string
---@field cause? any         what this error wraps
---@field class? string     the Java class, when a Java peer threw it
---@field details? any       what the handler wants the caller to know besides the message
---@field attempts? perilune.Attempt[]  the attempts of a call that was tried more than once
---@field outcome? perilune.Outcome
---@field retryable boolean  may the call be tried again as it is?
---@field final? boolean     the retry budget is spent: nobody may try again

---@class perilune.Attempt
---@field address string
---@field code string
---@field message string
---@field outcome? perilune.Outcome
---@field ms number

local M = {}

-- name = { wire number, the code alone says that the server did not run the call }
M.codes = {
  CANCELLED = { 1, false },
  UNKNOWN = { 2, false },
  BAD_REQUEST = { 3, false },
  TIMEOUT = { 4, false },
  NOT_FOUND = { 5, false },
  ALREADY_EXISTS = { 6, false },
  FORBIDDEN = { 7, false },
  LIMITED = { 8, false },
  PRECONDITION = { 9, false },
  ABORTED = { 10, false },
  OUT_OF_RANGE = { 11, false },
  NO_METHOD = { 12, false },
  INTERNAL = { 13, false },
  UNAVAILABLE = { 14, true },
  DATA_LOSS = { 15, false },
  UNAUTHENTICATED = { 16, false },
  OVERLOADED = { 17, true },
  SHUTDOWN = { 18, true },
  NO_SERVICE = { 19, true },
  SESSION_LOST = { 20, true },
  NO_NODE = { 21, true },
  CLOSED = { 22, true },
  PROTOCOL = { 23, false },
  TOO_BIG = { 24, false },
  NO_MEMORY = { 25, false },
  SYSTEM = { 26, false },
  CONFIG = { 27, false },
  CALL_OVER = { 28, false },
}

local codes = M.codes

local Error = {}
Error.__index = Error
Error.__name = 'perilune.Error'

function Error.__tostring(err)
  local text = err.code .. ': ' .. err.message
  local attempts = err.attempts
  if attempts and #attempts > 1 then
    local parts = {}
    for i, attempt in ipairs(attempts) do
      parts[i] = attempt.address .. ' ' .. attempt.code
    end
    text = text .. ' (tried ' .. table.concat(parts, ', ') .. ')'
  end
  return text
end

-- Is `value` an error made here?
---@param value any
---@return boolean
function M.is(value)
  return type(value) == 'table' and getmetatable(value) == Error
end

-- Makes an error of a known code. `retryable` follows from the outcome when there is one, else from
-- the code; `fields` may say otherwise.
---@param code string
---@param message? string
---@param fields? table  cause, details, attempts, outcome, retryable
---@return perilune.Error
function M.new(code, message, fields)
  local known = codes[code]
  if not known then
    error(("no error code '%s'; see perilune.error codes"):format(tostring(code)), 2)
  end
  local err =
    { code = code, message = message or code:lower():gsub('_', ' '), retryable = known[2] }
  if fields then
    for key, value in pairs(fields) do
      err[key] = value
    end
    if fields.retryable == nil and fields.outcome then
      err.retryable = fields.outcome ~= 'UNKNOWN'
    end
  end
  return setmetatable(err, Error)
end

-- What scripts call as `perilune.error(code, message, details)`.
---@param code string
---@param message? string
---@param details? any
---@return perilune.Error
function M.error(code, message, details)
  if not codes[code] then
    local near = M.suggest and M.suggest(tostring(code), codes)
    error(("perilune.error: no code '%s'%s"):format(tostring(code), near or ''), 2)
  end
  if message ~= nil and type(message) ~= 'string' then
    error(('perilune.error: message must be a string, got %s'):format(type(message)), 2)
  end
  return M.new(code, message, details ~= nil and { details = details } or nil)
end

-- Turns what a handler or filter gave as its error into one: an error stays as it is, a string
-- becomes UNKNOWN, a table with `code` and `message` becomes an error of that code.
---@param value any
---@return perilune.Error
function M.from(value)
  if M.is(value) then
    return value
  end
  if type(value) == 'table' and codes[value.code] then
    return M.new(value.code, value.message and tostring(value.message), { details = value.details })
  elseif type(value) == 'table' and not (getmetatable(value) or {}).__tostring then
    local text = value.message and tostring(value.message)
      or 'a table without a code was given as the error; use perilune.error(code, message)'
    return M.new('UNKNOWN', text)
  end
  return M.new('UNKNOWN', tostring(value))
end

-- Names near `name` among the keys of `known`, as the tail of a message: "; did you mean 'p2c'?",
-- or the whole list when nothing is near and the list is short. Of a name as short as `tri` any other is
-- two letters away: nothing but one typing error counts there.
---@param name string
---@param known table<string, any>
---@return string
function M.suggest(name, known)
  local best, distance = nil, #name > 4 and math.max(2, math.floor(#name / 3)) + 1 or 2
  local all = {}
  for candidate in pairs(known) do
    all[#all + 1] = candidate
  end
  table.sort(all)
  for _, candidate in ipairs(all) do
    local d = M.distance(name:lower(), candidate:lower(), distance)
    if d < distance then
      best, distance = candidate, d
    end
  end
  if best then
    return ("; did you mean '%s'?"):format(best)
  end
  if #all > 0 and #all <= 12 then
    return '; known: ' .. table.concat(all, ', ')
  end
  return ''
end

-- Edit distance of two short names (insert, delete, replace, swap of neighbours), at most `limit`.
---@param a string
---@param b string
---@param limit integer
---@return integer
function M.distance(a, b, limit)
  if math.abs(#a - #b) >= limit then
    return limit
  end
  local before, row = {}, {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local last = row
    row = { [0] = i }
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost)
      local swapped = i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j)
      if swapped then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
    before = last
  end
  return math.min(row[#b], limit)
end

return M
