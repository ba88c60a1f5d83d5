-- SPDX-License-Identifier: MIT
-- Moments of java.time from their text, as Java's `parse` reads it: that is how JSON shows them, and
-- how a script may write them. What comes out are the fields that other serializations have.
local core = require 'perilune.core'

local M = {}

local function number(digits)
  return tonumber(digits) or 0
end

-- '123' -> 123000000
local function nanos_of(fraction)
  return fraction == '' and 0 or number((fraction .. '000000000'):sub(1, 9))
end

local DAYS = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function is_day(year, month, day)
  local leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  return day >= 1 and day <= (DAYS[month] or 0) and (month ~= 2 or day < 29 or leap)
end

local function date(text)
  local year, month, day = text:match '^([-+]?%d%d%d%d+)%-(%d%d)%-(%d%d)$'
  if not year then
    return nil
  end
  year, month, day = number((year:gsub('^%+', ''))), number(month), number(day)
  return is_day(year, month, day)
      and core.typed('java.time.LocalDate', { year = year, month = month, day = day })
    or nil
end

local function time(text)
  local hour, minute, rest = text:match '^(%d%d):(%d%d)(.*)$'
  local second, fraction = (rest or ''):match '^:(%d%d)%.?(%d*)$'
  if not hour or rest ~= '' and (not second or #fraction > 9) then
    return nil
  end
  hour, minute, second = number(hour), number(minute), number(second)
  if hour > 23 or minute > 59 or second > 59 then
    return nil
  end
  local nano = nanos_of(fraction or '')
  return core.typed(
    'java.time.LocalTime',
    { hour = hour, minute = minute, second = second, nano = nano }
  )
end

local function both(text)
  local before, after = text:match '^(.-)[T ](.*)$'
  local day, hour = date(before or ''), time(after or '')
  return day and hour and core.typed('java.time.LocalDateTime', { date = day, time = hour }) or nil
end

-- Days since 1970 of a day in the Gregorian calendar, by eras of 400 years that begin in March.
local function days_of(day)
  local year = day.month > 2 and day.year or day.year - 1
  local era = math.floor(year / 400)
  local of_era = year - era * 400
  local of_year = math.floor((153 * ((day.month + 9) % 12) + 2) / 5) + day.day - 1
  local whole = of_era * 365 + math.floor(of_era / 4) - math.floor(of_era / 100) + of_year
  return era * 146097 + whole - 719468
end

local function seconds_and_nanos(class, seconds, nanos)
  return core.typed(class, { seconds = seconds, nanos = nanos })
end

local function instant(text)
  local moment = both(text:match '^(.*)Z$' or '')
  if not moment then
    return nil
  end
  local at = moment.time
  local seconds = days_of(moment.date) * 86400 + at.hour * 3600 + at.minute * 60 + at.second
  return math.abs(seconds) <= 2 ^ 53 and seconds_and_nanos('java.time.Instant', seconds, at.nano)
    or nil
end

local UNITS = { { 'D', 86400 }, { 'H', 3600 }, { 'M', 60 } }

-- A whole number and its unit from the beginning of a text: the seconds, and what follows.
local function take(text, unit)
  local count, rest = text:match('^([-+]?%d+)' .. unit[1] .. '(.*)$')
  return count and number((count:gsub('^%+', ''))) * unit[2] or 0, rest or text
end

local function duration(text)
  local sign, days, hours = text:match '^([-+]?)P([^T]*)T?(.*)$'
  if not sign or days == '' and hours == '' then
    return nil
  end
  local total, part = take(days, UNITS[1])
  local rest = hours
  if part ~= '' then
    return nil
  end
  for i = 2, 3 do
    part, rest = take(rest, UNITS[i])
    total = total + part
  end
  local minus, whole, fraction = rest:match '^([-+]?)(%d+)%.?(%d*)S$'
  if rest ~= '' and not whole or fraction and #fraction > 9 then
    return nil
  end
  local seconds, nanos = number(whole), nanos_of(fraction or '')
  if minus == '-' then
    seconds, nanos = -seconds, -nanos
  end
  total = total + seconds
  if sign == '-' then
    total, nanos = -total, -nanos
  end
  if nanos < 0 then
    total, nanos = total - 1, nanos + 1000000000
  end
  return seconds_and_nanos('java.time.Duration', total, nanos)
end

local READ = {
  ['java.time.LocalDate'] = date,
  ['java.time.LocalTime'] = time,
  ['java.time.LocalDateTime'] = both,
  ['java.time.Instant'] = instant,
  ['java.time.Duration'] = duration,
}

M.CLASSES = READ

-- The value of a text, or nil where Java would not read it either.
---@param class string  'java.time.LocalDate'
---@param text string
---@return table?
function M.parse(class, text)
  return READ[class](text)
end

-- A table of plain fields as one of its class.
local function object(class, fields)
  local copy = {}
  for name, value in pairs(fields) do
    copy[name] = value
  end
  if class == 'java.time.LocalDateTime' then
    copy.date = copy.date and M.of('java.time.LocalDate', copy.date)
    copy.time = copy.time and M.of('java.time.LocalTime', copy.time)
  end
  return core.typed(class, copy)
end

-- A text or a table as a value of the class; nil where it is none.
---@param class string
---@param value any
---@return table?
function M.of(class, value)
  if type(value) == 'string' then
    return M.parse(class, value)
  elseif type(value) ~= 'table' then
    return nil
  end
  return core.class_of(value) and value or object(class, value)
end

-- The Java type.
---@param name string
---@param wants fun(name: string, value: any): string  the message about a value that is none
---@return perilune.java.Type
function M.type(name, wants)
  return {
    kind = 'moment',
    check = function(value)
      local class = core.class_of(value)
      local is = type(value) == 'table' and (class == nil or class == name)
      return not is and wants(name, value) or nil
    end,
    to = function(value)
      local made = M.of(name, value)
      if made then
        return made
      end
      local text = type(value) == 'string' and ("'%s' is no %s"):format(value:sub(1, 40), name)
      return nil, text or wants(name, value)
    end,
  }
end

return M
