-- SPDX-License-Identifier: MIT
-- A cache of this worker, bounded in entries and bytes; when it is full, what was not used for longest
-- goes first.
local policy = require('perilune').policy

-- By slot, so that an entry costs no table of its own: the ring in `before` and `behind` begins and ends at
-- the slot ENDS; behind it is what was used last. Free slots are chained in `behind`.
local ENDS = 1

local function unlink(self, slot)
  local before, behind = self.before, self.behind
  local prev, next = before[slot], behind[slot]
  behind[prev], before[next] = next, prev
end

local function link(self, slot)
  local before, behind = self.before, self.behind
  local first = behind[ENDS]
  before[slot], behind[slot] = ENDS, first
  before[first], behind[ENDS] = slot, slot
end

local function drop(self, slot)
  unlink(self, slot)
  self.slots[self.keys[slot]] = nil
  self.count, self.bytes = self.count - 1, self.bytes - self.sizes[slot]
  self.keys[slot], self.entries[slot] = false, false
  self.behind[slot], self.free = self.free, slot
end

local function new(conf)
  return {
    slots = {}, -- by key
    keys = { false },
    entries = { false },
    sizes = { 0 },
    expires = { 0 },
    before = { ENDS },
    behind = { ENDS },
    free = 0,
    count = 0,
    bytes = 0,
    evicted = 0,
    is_wide = false,
    capacity = conf.capacity,
    limit = conf.bytes,
  }
end

local function get(self, key)
  local slot = self.slots[key]
  if not slot then
    return nil
  elseif self.expires[slot] <= policy.clock() then
    drop(self, slot)
    return nil
  end
  if self.behind[ENDS] ~= slot then
    unlink(self, slot)
    link(self, slot)
  end
  return self.entries[slot]
end

-- A table of Lua has room for a power of two of keys, and where that is hardly more than there are, every few
-- new keys bring all of them into order again. Keys that nobody asks for make it the next power then.
local function widen(self)
  local _, power = math.frexp(self.capacity - 0.5)
  local room = 2 ^ power
  if self.capacity > room * 3 / 4 then
    for i = self.capacity, room do
      self.slots[i + 0.5] = false -- no string, and nothing for the table's array
    end
  end
  self.is_wide = true
end

-- No loop: the compiler would give up a call for the sake of the loop in it.
local function make_room(self, bytes)
  if self.count >= self.capacity or self.bytes + bytes > self.limit then
    if not self.is_wide and self.count >= self.capacity then
      widen(self)
    end
    drop(self, self.before[ENDS])
    self.evicted = self.evicted + 1
    return make_room(self, bytes)
  end
end

local function set(self, key, entry, ttl, bytes)
  local old = self.slots[key]
  if old then
    drop(self, old)
  end
  bytes = bytes + #key
  if bytes > self.limit then
    return false
  end
  make_room(self, bytes)
  local slot = self.free
  if slot == 0 then
    slot = #self.keys + 1
  else
    self.free = self.behind[slot]
  end
  self.slots[key], self.keys[slot], self.entries[slot] = slot, key, entry
  self.sizes[slot], self.expires[slot] = bytes, ttl and policy.clock() + ttl or math.huge
  self.count, self.bytes = self.count + 1, self.bytes + bytes
  link(self, slot)
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
        if self.slots[key] then
          drop(self, self.slots[key])
        end
      end,
      stats = function()
        return { entries = self.count, bytes = self.bytes, evicted = self.evicted }
      end,
    }
  end,
}
