-- SPDX-License-Identifier: MIT
-- What extension points ask of their plugins, checked when one is registered or made.
local errors = require 'perilune.error'

local M = {}

M.NAME = '^[a-z][a-z0-9_]*$'

-- Raises a message that begins with the place where the script said so.
---@param place string
---@param ... any  a format and its values
function M.raise(place, ...)
  error(place .. ': ' .. string.format(...), 0)
end

-- What is wrong with `instance` under the point's contract, or nil.
---@param point perilune.plugin.Point
---@param instance any
---@return string? message
function M.breach(point, instance)
  if type(instance) == 'function' then
    return not point.fn and 'is a function; this point needs a table' or nil
  end
  if type(instance) ~= 'table' then
    local want = point.fn and 'a function or a table' or 'a table'
    return ('is a %s; this point needs %s'):format(type(instance), want)
  end
  local names = {}
  for member in pairs(point.members or {}) do
    names[#names + 1] = member
  end
  table.sort(names)
  for _, member in ipairs(names) do
    local rule, value = point.members[member], instance[member]
    if value == nil and rule.required then
      local want = rule.type == 'any' and '' or (' (a %s)'):format(rule.type)
      return ("misses member '%s'%s"):format(member, want)
    elseif value ~= nil and rule.type ~= 'any' and type(value) ~= rule.type then
      return ("member '%s' must be a %s, got a %s"):format(member, rule.type, type(value))
    end
  end
  return point.check and point.check(instance) or nil
end

-- Raises when a name or provider is none.
---@param point perilune.plugin.Point
---@param place string
---@param name any
---@param provider any
function M.check_name(point, place, name, provider)
  if type(name) ~= 'string' or not name:match(M.NAME) then
    M.raise(
      place,
      "%s '%s': a name is lower case letters, digits and _",
      point.name,
      tostring(name)
    )
  elseif provider ~= nil and (type(provider) ~= 'string' or not provider:match(M.NAME)) then
    M.raise(place, "%s '%s': provider '%s' is no name", point.name, name, tostring(provider))
  end
end

-- Makes lists of before and after; raises when they are no names.
---@param point perilune.plugin.Point
---@param place string
---@param spec table
function M.check_order(point, place, spec)
  for _, field in ipairs { 'before', 'after' } do
    local list = spec[field]
    if type(list) == 'string' then
      spec[field] = { list }
    elseif list ~= nil and type(list) ~= 'table' then
      M.raise(place, "%s '%s': %s must be a list of names", point.name, spec.name, field)
    end
    for i, name in ipairs(type(list) == 'table' and list or {}) do
      if type(name) ~= 'string' then
        local text = "%s '%s': %s[%d] must be a name, got a %s"
        M.raise(place, text, point.name, spec.name, field, i, type(name))
      end
    end
  end
end

local COMMON = { name = 'string', provider = 'string', before = 'table', after = 'table' }

-- Fields that nobody reads are typing errors; tables that are the instance itself may carry more.
---@param point perilune.plugin.Point
---@param place string
---@param spec table
function M.check_fields(point, place, spec)
  for field, value in pairs(spec) do
    local want = COMMON[field] or (point.fields and point.fields[field])
    if field == 'new' or field == 'schema' then
      want = field == 'new' and 'function' or 'table'
    end
    if want and type(value) ~= want then
      M.raise(place, "%s '%s': %s must be a %s", point.name, spec.name, field, want)
    elseif not want and spec.new then
      local known = { new = 1, schema = 1 }
      for _, set in ipairs { COMMON, point.fields or {}, point.members or {} } do
        for key in pairs(set) do
          known[key] = 1
        end
      end
      if not known[field] then
        local near = errors.suggest(tostring(field), known)
        M.raise(
          place,
          "%s '%s': unknown field '%s'%s",
          point.name,
          spec.name,
          tostring(field),
          near
        )
      end
    end
  end
end

return M
