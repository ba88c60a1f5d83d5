-- SPDX-License-Identifier: MIT
-- What most registries keep: subscribers by service, told whole lists with growing versions, and
-- only when something changed.
local urls = require 'perilune.cluster.url'

---@class perilune.cluster.Listing
local Listing = {}
Listing.__index = Listing

local M = {}

---@return perilune.cluster.Listing
function M.new()
  return setmetatable({ subscribers = {}, urls = {}, version = 0, known = false }, Listing)
end

local function matches(service, entry)
  return entry.interface == service.interface and (entry.alias or '') == (service.alias or '')
end

local function tell(self, subscriber, explicit)
  local entries, parts = {}, {}
  for _, url in ipairs(self.urls) do
    local entry = urls.entry(url)
    if entry and matches(subscriber.service, entry) then
      entries[#entries + 1] = entry
      parts[#parts + 1] = url
    end
  end
  local signature = table.concat(parts, '\n')
  if subscriber.signature ~= signature then
    subscriber.signature = signature
    subscriber.on_change({ version = self.version, entries = entries, explicit = explicit })
  end
end

-- Replaces the list by these service URLs and tells who is concerned.
---@param list string[]
---@param explicit? boolean  an empty list is meant
function Listing:set(list, explicit)
  self.urls, self.known = list, true
  self.version = self.version + 1
  local subscribers = {}
  for subscriber in pairs(self.subscribers) do
    subscribers[#subscribers + 1] = subscriber
  end
  for _, subscriber in ipairs(subscribers) do
    tell(self, subscriber, explicit)
  end
end

-- Adds a subscriber, told at once when a list is known.
---@param service {interface: string, alias?: string}
---@param on_change function
---@return table handle
function Listing:subscribe(service, on_change)
  local subscriber = { service = service, on_change = on_change }
  self.subscribers[subscriber] = true
  if self.known then
    tell(self, subscriber, true)
  end
  return subscriber
end

---@param subscriber table
function Listing:unsubscribe(subscriber)
  self.subscribers[subscriber] = nil
end

return M
