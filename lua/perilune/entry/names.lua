-- SPDX-License-Identifier: MIT
-- Names in declarations that belong to other layers, looked up when a script is loaded, so that a
-- typing error is told with its place and not as a node that never gets ready.
local core = require 'perilune.core'
local errors = require 'perilune.error'
local plugin = require 'perilune.plugin'
local registries = require 'perilune.cluster.registry'
local urls = require 'perilune.cluster.url'

local M = {}

-- Built-in ones of these points are in C: there is no plugin to be found.
local function named(point, name)
  for _, builtin in ipairs(plugin.get_point(point).builtin) do
    if name == nil or name == builtin then
      return nil
    end
  end
  local found, message = plugin.find(point, name)
  return not found and message or nil
end

---@param name? string
---@return string? message
function M.serialization(name)
  return named('serializer', name)
end

---@param name? string
---@return string? message
function M.compression(name)
  return named('compression', name)
end

-- 'tcp://host:port', 'unix:///path' ...
---@param text string
---@return string? message
function M.address(text)
  local url, message = urls.parse(text)
  if not url then
    return message
  elseif not urls.schemes[url.scheme] then
    local near = errors.suggest(url.scheme, urls.schemes)
    return ("'%s': scheme '%s' unknown%s"):format(text, url.scheme, near)
  elseif url.scheme == 'unix' and not url.address:match '^/.' then
    return ("'%s': write unix:///path"):format(text)
  elseif url.scheme ~= 'inproc' and not url.port and not url.address:match '^/.' then
    return ("'%s': write host:port"):format(text)
  end
end

---@param text string
---@return string? message
function M.listener(text)
  if text:match '^inproc:' then
    return "inproc:// needs no listener: refer { url = 'inproc://' } calls what its process exports"
  end
  return M.address(text)
end

-- Names of the protocols of a listener; nil = all.
---@param list? any[]
---@return string? message
function M.protocols(list)
  local known = {}
  for _, name in ipairs(core.protocols()) do
    known[name] = true
  end
  for _, name in ipairs(list or {}) do
    if not known[name] then
      local near = errors.suggest(tostring(name), known)
      return ("protocols: '%s' unknown%s"):format(tostring(name), near)
    end
  end
end

-- The same, where somebody is to be found.
---@param text string
---@return string? message
function M.peer(text)
  local message = M.address(text)
  local why = not message and urls.unreachable(assert(urls.parse(text)))
  return message or why and ("'%s' %s"):format(text, why) or nil
end

---@param value string|string[]
---@return string? message
function M.addresses(value)
  local entries, message = urls.entries(value)
  for _, entry in ipairs(entries or {}) do
    message = message or M.peer(entry.url)
  end
  return message
end

---@param value any  URL, or a list of URLs
---@return string? message
function M.registry(value)
  local list = type(value) == 'table' and value or { value }
  if #list == 0 then
    return 'registry names none'
  end
  for _, text in ipairs(list) do
    local message = registries.check(text)
    if message then
      return message
    end
  end
end

return M
