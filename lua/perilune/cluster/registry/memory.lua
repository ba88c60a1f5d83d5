-- SPDX-License-Identifier: MIT
-- memory://NAME: a list inside this process, for tests and for services that call each other here.
-- Two URLs with the same name are the same list.
local listings = require 'perilune.cluster.listing'

local Memory = {}
Memory.__index = Memory

local spaces = {}

local function publish(space)
  local list = {}
  for i, service_url in ipairs(space.order) do
    list[i] = service_url
  end
  space.listing:set(list, true)
end

function Memory:register(service_url)
  self:drop(service_url)
  table.insert(self.space.order, service_url)
  self.own[service_url] = true
  publish(self.space)
  return true
end

function Memory:drop(service_url)
  for i, known in ipairs(self.space.order) do
    if known == service_url then
      table.remove(self.space.order, i)
      return true
    end
  end
end

function Memory:deregister(service_url)
  self.own[service_url] = nil
  if self:drop(service_url) then
    publish(self.space)
  end
  return true
end

function Memory:subscribe(service, on_change)
  return self.space.listing:subscribe(service, on_change)
end

function Memory:unsubscribe(handle)
  self.space.listing:unsubscribe(handle)
end

function Memory:close()
  for service_url in pairs(self.own) do
    self:drop(service_url)
  end
  self.own = {}
  publish(self.space)
end

return {
  name = 'memory',
  new = function(conf)
    local name = conf.url.address
    if not spaces[name] then
      spaces[name] = { order = {}, listing = listings.new() }
      spaces[name].listing:set({}, true)
    end
    return setmetatable({ space = spaces[name], own = {} }, Memory)
  end,
}
