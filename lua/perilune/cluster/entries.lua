-- SPDX-License-Identifier: MIT
-- What a registry says is input like any other: entries that are wrong are left out, what is right is
-- copied field by field, and what was wrong is told in one line.
local urls = require 'perilune.cluster.url'

local M = {}

M.MOST = 100000

local NO_PORT = { unix = true, inproc = true }

local function place_of(entry)
  if type(entry) ~= 'table' then
    return nil, 'is a ' .. type(entry)
  end
  local url, message = urls.parse(entry.url)
  if not url then
    return nil, message
  elseif not urls.schemes[url.scheme] then
    return nil, ("scheme '%s' unknown"):format(url.scheme)
  elseif
    url.address == '' or not NO_PORT[url.scheme] and not (url.port or url.address:match '^/.')
  then
    return nil, ("'%s' has no host:port"):format(tostring(entry.url))
  end
  message = urls.unreachable(url)
  if message then
    return nil, ("'%s' %s"):format(entry.url, message)
  end
  return url
end

local function meta_of(given)
  local meta = {}
  for key, value in pairs(type(given) == 'table' and given or {}) do
    local kind = type(value)
    if type(key) == 'string' and key:sub(1, 1) ~= '.' and kind ~= 'table' then
      meta[key] = tostring(value)
    end
  end
  return meta
end

local function clean(entry, service, seen)
  local url, message = place_of(entry)
  if not url then
    return nil, message
  end
  local where = url.scheme .. '://' .. url.address
  if seen[where] then
    return nil, ("'%s' is listed twice"):format(where)
  elseif entry.interface ~= nil and entry.interface ~= service.interface then
    return nil, ("'%s' provides %s"):format(where, tostring(entry.interface))
  end
  local weight = entry.weight == nil and 100 or tonumber(entry.weight)
  if not weight or weight % 1 ~= 0 or weight < 0 or weight > 1e6 then
    return nil, ("weight of '%s' is '%s'"):format(where, tostring(entry.weight))
  end
  seen[where] = true
  return {
    url = where,
    address = url.address,
    weight = weight,
    meta = meta_of(entry.meta),
    interface = entry.interface,
    alias = type(entry.alias) == 'string' and entry.alias or nil,
  }
end

-- The entries that are right, and what to say about the others.
---@param given table
---@param service perilune.cluster.Service
---@return perilune.cluster.Entry[]
---@return string? complaint
function M.clean(given, service)
  local list, seen, wrong, first = {}, {}, 0, nil
  for i, entry in ipairs(given) do
    local result, message = nil, 'is one too many'
    if #list < M.MOST then
      result, message = clean(entry, service, seen)
    end
    if result then
      list[#list + 1] = result
    else
      wrong = wrong + 1
      first = first or ('entry %d: %s'):format(i, message)
    end
  end
  if wrong == 0 then
    return list
  end
  return list, ('%d of %d entries are left out; %s'):format(wrong, #given, first)
end

return M
