-- SPDX-License-Identifier: MIT
-- Ejection: a node whose attempts keep failing is left out for a while, longer each time, whichever
-- worker of the process noticed. At most a share of the nodes is out at once, so that a failure of
-- everybody's ejects nobody's last node. Counting is done in C (src/cluster/outlier.c) and only for
-- nodes of clusters that asked for it.
local ffi = require 'ffi'
local core = require 'perilune.core'
local events = require 'perilune.events'
local schemas = require 'perilune.schema'
local C = require 'perilune.ffi'

local M = {}

M.TICK = 500

M.schema = {
  consecutive = {
    type = 'integer',
    min = 0,
    default = 5,
    help = 'failures in a row; 0 = no matter',
  },
  ratio = { type = 'number', min = 0, max = 1, default = 0.5, help = 'of failures; 0 = no matter' },
  minimum = { type = 'integer', min = 1, default = 20, help = 'attempts before the ratio counts' },
  window = { type = 'number', min = 1, default = 10000, help = 'ms over which the ratio is taken' },
  time = { type = 'number', min = 1, default = 10000, help = 'ms out, times the ejections so far' },
  max_time = { type = 'number', min = 1, default = 300000, help = 'ms out at most' },
  share = {
    type = 'number',
    min = 0,
    max = 1,
    default = 0.3,
    help = 'of the nodes at once, or one',
  },
}

---@class perilune.cluster.Ejection
---@field out table<perilune.cluster.Link, boolean>  left out of the snapshot
local Ejection = {}
Ejection.__index = Ejection

-- The settings of a declaration (true or a table), or nil and what is wrong with them.
---@param given any
---@return table?
---@return string? message
function M.check(given)
  if given ~= true and type(given) ~= 'table' then
    return nil, ('ejection must be true or a table, got a %s'):format(type(given))
  end
  local conf, message = schemas.apply(M.schema, given == true and {} or given, 'ejection.')
  return conf, message
end

---@param cluster perilune.cluster.Cluster
---@param conf table  checked
---@return perilune.cluster.Ejection
function M.new(cluster, conf)
  local rules = ffi.new 'peri_outlier'
  for _, name in ipairs { 'consecutive', 'ratio', 'minimum', 'window', 'time', 'max_time' } do
    rules[name] = conf[name]
  end
  return setmetatable({ cluster = cluster, rules = rules, share = conf.share, out = {} }, Ejection)
end

local function shared(link)
  return rawget(link.node, '_c').node
end

-- Counts a node's outcomes from now on.
---@param node perilune.cluster.Node
function Ejection:watch(node)
  rawget(node, '_c').watched = true
end

local function tell(self, name, link, message)
  local refer = self.cluster.refer
  local fields = { interface = refer.interface, alias = refer.alias, address = link.node.address }
  core.log('warn', 'EJECTION', ('%s: %s'):format(link.node.address, message), fields)
  if events.wanted(name) then
    fields.message = message
    events.publish(name, fields)
  end
end

-- Who is to be left out now, how many these are and may be.
local function choose(self, order)
  local now, ready, out, count = core.clock(), 0, {}, 0
  for _, link in ipairs(order) do
    ready = ready + (link.state == 'ready' and 1 or 0)
  end
  local most = math.min(math.max(1, math.floor(self.share * ready)), math.max(0, ready - 1))
  for _, link in ipairs(order) do
    if count < most and link.state == 'ready' and C.peri_node_ejected(shared(link), now) then
      out[link], count = true, count + 1
    end
  end
  return out, count, most
end

-- Who is to be left out of a snapshot of these links.
---@param order perilune.cluster.Link[]
---@return table<perilune.cluster.Link, boolean>
function Ejection:sort_out(order)
  local before, out, count, most = self.out, choose(self, order)
  self.out, self.count, self.most = out, count, most
  for _, link in ipairs(order) do
    if out[link] and not before[link] then
      tell(self, 'node.ejected', link, 'left out: its attempts keep failing')
    elseif before[link] and not out[link] and link.state == 'ready' then
      tell(self, 'node.restored', link, 'asked again')
    end
  end
  return out
end

-- Not whether more than may be left out are ejected: that would make the list anew each time.
local function changed(self)
  local out = choose(self, self.cluster.order)
  for _, link in ipairs(self.cluster.order) do
    if out[link] ~= self.out[link] then
      return true
    end
  end
  return false
end

-- Lets nodes back in, and takes over what other workers noticed. Lists are looked through only when
-- somebody is out or was thrown out since.
local function run(self)
  local seen = -1
  while not self.cluster.closed do
    local ejections = C.peri_node_ejections()
    if (next(self.out) or ejections ~= seen) and changed(self) then
      self.cluster:rebuild()
    end
    seen = ejections
    core.sleep(M.TICK)
  end
end

function Ejection:start()
  core.spawn(run, self, nil, true)
end

-- An attempt failed because of the node.
---@param node perilune.cluster.Node
function Ejection:failed(node)
  local link = rawget(node, '_link')
  if self.out[link] or (self.count or 0) >= (self.most or 0) then
    return
  end
  if C.peri_node_judge(shared(link), self.rules, core.clock()) > 0 then
    self.cluster:rebuild()
  end
end

return M
