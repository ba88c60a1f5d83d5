-- SPDX-License-Identifier: MIT
-- A cache of this worker, bounded in entries and bytes; when it is full, what was not used for longest
-- goes first.
local policy = require('perilune').policy

local Lru = {}
Lru.__index = Lru

-- The ring: head.next was used last, head.prev goes first.
local function unlink(node)
  node.prev.next, node.next.prev = node.next, node.prev
end

local function link(head, node)
  node.prev, node.next = head, head.next
  head.next.prev, head.next = node, node
end

local function drop(self, node)
  unlink(node)
  self.nodes[node.key] = nil
  self.count, self.bytes = self.count - 1, self.bytes - node.bytes
end

local function new(conf)
  local self = setmetatable({ nodes = {}, count = 0, bytes = 0, evicted = 0 }, Lru)
  self.capacity, self.limit = conf.capacity, conf.bytes
  self.head = {}
  self.head.prev, self.head.next = self.head, self.head
  return self
end

local function get(self, key)
  local node = self.nodes[key]
  if not node then
    return nil
  elseif node.expires <= policy.clock() then
    drop(self, node)
    return nil
  end
  local head = self.head
  if head.next ~= node then
    unlink(node)
    link(head, node)
  end
  return node.entry
end

local function set(self, key, entry, ttl, bytes)
  local old = self.nodes[key]
  if old then
    drop(self, old)
  end
  bytes = bytes + #key
  if bytes > self.limit then
    return false
  end
  while self.count >= self.capacity or self.bytes + bytes > self.limit do
    drop(self, self.head.prev)
    self.evicted = self.evicted + 1
  end
  local expires = ttl and policy.clock() + ttl or math.huge
  local node = { key = key, entry = entry, bytes = bytes, expires = expires }
  self.nodes[key] = node
  self.count, self.bytes = self.count + 1, self.bytes + bytes
  link(self.head, node)
  return true
end

return {
  name = 'lru',
  schema = {
    capacity = { type = 'integer', min = 1, default = 10000, help = 'entries' },
    bytes = { type = 'integer', min = 1, default = 16777216, help = 'of keys and results' },
  },
  new = function(conf)
    local self = new(conf)
    return {
      get = function(key)
        return get(self, key)
      end,
      set = function(key, entry, ttl, bytes)
        return set(self, key, entry, ttl, bytes)
      end,
      remove = function(key)
        if self.nodes[key] then
          drop(self, self.nodes[key])
        end
      end,
      stats = function()
        return { entries = self.count, bytes = self.bytes, evicted = self.evicted }
      end,
    }
  end,
}
