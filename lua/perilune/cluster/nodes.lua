-- SPDX-License-Identifier: MIT
-- A list of nodes as policies see it: an immutable snapshot, a plain array with methods. Whatever is
-- derived from it by a key (where) is built once per snapshot, so that a call costs the same with
-- ten nodes and with ten thousand.
local ffi = require 'ffi'
local core = require 'perilune.core'
local new_table = require 'table.new'
local type = type
local text_of = require 'perilune.text'
local C = require 'perilune.ffi'

---@class perilune.cluster.Nodes
---@field [integer] perilune.cluster.Node
local Nodes = {}

local list_type = ffi.typeof 'peri_counters *[?]'
local balance = ffi.gc(C.peri_balance_new(core.random()), C.peri_balance_free)

local meta = {
  __index = Nodes,
  __newindex = function(_, key)
    error(("node lists are read-only; cannot set '%s'"):format(tostring(key)), 2)
  end,
}

setmetatable(Nodes, {
  __index = function(_, key)
    if type(key) ~= 'number' then
      error(("a node list has no '%s'"):format(tostring(key)), 2)
    end
  end,
})

local M = {}

local function no_balancer()
  error('these nodes have no balancer', 3)
end

-- A snapshot of `list`. `pick(ctx, call, nodes)` is the configured balancer.
---@param list perilune.cluster.Node[]
---@param pick? fun(ctx: any, call: any, nodes: perilune.cluster.Nodes): perilune.cluster.Node?
---@param origin? perilune.cluster.Nodes  the list it was filtered from
---@return perilune.cluster.Nodes
function M.new(list, pick, origin)
  local n = #list
  local counters = list_type(n > 0 and n or 1)
  local nodes = new_table(n, 8) -- what a table gets after its fields would lie among them
  nodes._n, nodes._counters, nodes._pick, nodes._index = n, counters, pick or no_balancer, {}
  nodes._origin, nodes._kept = origin or false, 0
  for i = 1, n do
    nodes[i] = list[i]
    counters[i - 1] = list[i]._c
  end
  return setmetatable(nodes, meta)
end

---@param value any
---@return boolean
function M.is(value)
  return type(value) == 'table' and getmetatable(value) == meta
end

-- The node the configured balancer chooses, nil when there is none to choose.
---@param ctx any
---@param call any
---@return perilune.cluster.Node?
function Nodes:pick(ctx, call)
  if self._n == 0 then
    return nil
  end
  return self._pick(ctx, call, self)
end

local FIELDS = { active = 0, latency = 1, errors = 2, calls = 3, load = 4 }

-- The node with the smallest counter ('active', 'latency', 'errors', 'calls', 'load') or meta
-- number; equals have the same chance.
---@param key string
---@return perilune.cluster.Node?
function Nodes:min(key)
  if self._n == 0 then
    return nil
  end
  local field = FIELDS[key]
  if field then
    return self[C.peri_balance_min(balance, self._counters, self._n, field) + 1]
  end
  local best, smallest = nil, math.huge
  for i = 1, self._n do
    local value = self[i].meta[key]
    value = value == nil and (key == 'weight' or key == 'total') and self[i][key] or tonumber(value)
    if value and value < smallest then
      best, smallest = self[i], value
    end
  end
  return best
end

local function value_of(node, by)
  if type(by) == 'function' then
    return by(node)
  elseif by == 'id' or by == 'address' then
    return node[by]
  end
  return node.meta[by]
end

-- What is derived from a list is kept for the next calls. A function made anew for each of them finds nothing
-- again: so many keys, and the list begins to keep anew.
local KEPT = 256

local function keep(nodes, key, value)
  local count = nodes._kept + 1
  if count > KEPT then
    rawset(nodes, '_index', {})
    count = 1
  end
  rawset(nodes, '_kept', count)
  nodes._index[key] = value
end

local function build(nodes, by)
  local groups, index = {}, {}
  for i = 1, nodes._n do
    local value = value_of(nodes[i], by)
    if value ~= nil then
      value = text_of(value)
      groups[value] = groups[value] or {}
      table.insert(groups[value], nodes[i])
    end
  end
  for value, list in pairs(groups) do
    index[value] = M.new(list, nodes._pick, nodes._origin or nil)
  end
  keep(nodes, by, index)
  return index
end

-- The nodes whose meta field (or 'id', 'address', or function of a node) has this value. Values are
-- compared as text, because registries know only text.
---@param by string|fun(node: perilune.cluster.Node): any
---@param value any
---@return perilune.cluster.Nodes
function Nodes:where(by, value)
  local index = self._index[by] or build(self, by)
  if type(value) ~= 'string' then
    value = text_of(value)
  end
  return index[value] or self:none()
end

M.where = Nodes.where -- for who asks at each call: a method is looked for in the list first

-- The empty list with the same balancer.
---@return perilune.cluster.Nodes
function Nodes:none()
  local none = rawget(self, '_none')
  if not none then
    none = M.new({}, self._pick)
    rawset(self, '_none', none)
  end
  return none
end

-- The nodes for which `pred(node, arg)` holds. Walks the list: for rules that can be indexed use
-- where.
---@param pred fun(node: perilune.cluster.Node, arg: any): boolean
---@param arg? any
---@return perilune.cluster.Nodes
function Nodes:filter(pred, arg)
  local list, n = {}, 0
  for i = 1, self._n do
    if pred(self[i], arg) then
      n = n + 1
      list[n] = self[i]
    end
  end
  return n == self._n and self or M.new(list, self._pick, self:origin())
end

-- The list of this node alone.
---@param node perilune.cluster.Node
---@return perilune.cluster.Nodes
function Nodes:only(node)
  return M.new({ node }, self._pick, self._origin)
end

-- What `make(nodes)` gives, made once for this list: rings, sums, positions.
---@generic T
---@param make fun(nodes: perilune.cluster.Nodes): T
---@return T
function Nodes:derived(make)
  local value = self._index[make]
  if value == nil then
    value = make(self)
    keep(self, make, value)
  end
  return value
end

local function set_of(nodes)
  local set = {}
  for i = 1, nodes._n do
    set[nodes[i]] = true
  end
  return set
end

-- Is the node one of these?
---@param node perilune.cluster.Node
---@return boolean
function Nodes:has(node)
  return self:derived(set_of)[node] or false
end

-- The list that this one was filtered from for one call; itself when it is a snapshot or a part of
-- one that stays (`where`). What is derived from an origin serves many calls.
---@return perilune.cluster.Nodes
function Nodes:origin()
  return self._origin or self
end

-- The better of two nodes drawn at random, with odds by weight and by decayed latency times queue.
---@return perilune.cluster.Node?
function Nodes:better_of_two()
  if self._n == 1 then
    return self[1]
  end
  return self[C.peri_balance_p2c(balance, self._counters, self._n) + 1]
end

-- The node with the fewest attempts in flight for its weight, exactly among `tries` (default 16) or
-- fewer nodes; of more it looks at so many drawn at random.
---@param tries? integer
---@return perilune.cluster.Node?  nil where there is none
function Nodes:least(tries)
  if self._n == 0 then
    return nil
  end
  return self[C.peri_balance_least(balance, self._counters, self._n, tries or 16) + 1]
end

local function ring_of(nodes)
  return ffi.gc(C.peri_ring_new(nodes._counters, nodes._n), C.peri_ring_free)
end

-- The node that a key belongs to: always the same one while it is there and has room. With `bound`
-- none gets more than so many times its share of what is in flight. A filtered list gives the next
-- of its nodes on the ring of the list it comes from, so that keys stay where they are.
---@param key string|number|boolean
---@param bound? number
---@return perilune.cluster.Node?
function Nodes:by_hash(key, bound)
  if type(key) ~= 'string' then
    key = key ~= nil and text_of(key) or error('nodes:by_hash wants a key, got nil', 2)
  end
  local origin = self:origin()
  local ring = origin:derived(ring_of)
  local index
  if origin == self then
    index = C.peri_ring_find(ring, key, #key, bound or 0, nil, 0)
  else
    index = C.peri_ring_find(ring, key, #key, bound or 0, self._counters, self._n)
  end
  return index < origin._n and origin[index + 1] or self[1]
end

local function heaviest(nodes)
  local most = 0
  for i = 1, nodes._n do
    most = math.max(most, nodes._counters[i - 1].weight)
  end
  return most
end

-- A node drawn at random, each with its share of the weight.
---@return perilune.cluster.Node?
function Nodes:weighted()
  if self._n > 64 and self:origin() == self then
    local most = self:derived(heaviest)
    return self[C.peri_balance_drawn(balance, self._counters, self._n, most) + 1]
  end
  return self[C.peri_balance_weighted(balance, self._counters, self._n) + 1]
end

-- A random position in the list.
---@return integer
function Nodes:draw()
  return C.peri_balance_below(balance, self._n) + 1
end

return M
