-- SPDX-License-Identifier: MIT
-- A node as policies see it: one object per provider and refer, the same for as long as the provider
-- is known. Identity and meta never change; counters are read from C and are always current.
local ffi = require 'ffi'
local C = require 'perilune.ffi'

---@class perilune.cluster.Node
---@field id string          unique among the nodes of a refer
---@field address string
---@field meta table<string, string>  what the provider registered: version, tag, region ...
---@field active integer     attempts in flight from this worker
---@field total integer      attempts in flight from the whole process
---@field latency number     peak EWMA in ms, 0 = not known yet
---@field errors integer     attempts that failed because of the node
---@field calls integer      attempts begun
---@field weight integer
---@field is_local boolean   it is on this host
---@field state 'idle'|'connecting'|'ready'|'offline'|'ejected'|'down'|'closed'

local readers = {
  active = function(c)
    return c.active
  end,
  latency = function(c)
    return c.latency
  end,
  errors = function(c)
    return tonumber(c.errors)
  end,
  calls = function(c)
    return tonumber(c.calls)
  end,
  weight = function(c)
    return c.weight
  end,
  is_local = function(_, node)
    return C.peri_node_is_local(node.address)
  end,
  total = function(c)
    return C.peri_node_total(c.node)
  end,
  state = function(c, node)
    local link = rawget(node, '_link')
    local state = link and link.state or 'idle'
    if state == 'ready' and C.peri_node_ejected(c.node, C.peri_counters_now()) then
      return 'ejected'
    end
    return state
  end,
}

local Node = {}

function Node.__index(node, key)
  local reader = readers[key]
  if reader then
    return reader(rawget(node, '_c'), node)
  end
  if type(key) == 'string' and key:sub(1, 1) == '_' then
    return nil
  end
  local names = 'id, address, meta, active, total, latency, errors, calls, weight, is_local, state'
  local text = "a node has no '%s'; it has %s; what it registered is in meta"
  error(text:format(tostring(key), names), 2)
end

function Node.__newindex(_, key)
  error(("nodes are read-only; cannot set '%s'"):format(tostring(key)), 2)
end

function Node.__tostring(node)
  return node.address
end

local M = {}

---@param entry perilune.cluster.Entry
---@param counters? ffi.cdata*  of the node it replaces
---@return perilune.cluster.Node
function M.new(entry, counters)
  counters = counters or ffi.gc(C.peri_counters_new(entry.address), C.peri_counters_free)
  counters.weight = entry.weight or 100
  local node = {
    id = entry.id or entry.address,
    address = entry.address,
    meta = entry.meta or {},
    _c = counters,
    _link = false, -- set by the cluster that connects it
  }
  return setmetatable(node, Node)
end

---@param value any
---@return boolean
function M.is(value)
  return type(value) == 'table' and getmetatable(value) == Node
end

return M
