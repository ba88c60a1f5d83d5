-- SPDX-License-Identifier: MIT
-- The cluster of one refer: keeps the nodes that provide a service connected and sends calls to
-- them: selectors narrow the nodes, the router owns the attempts, the balancer picks.
--
-- `ready_nodes` is replaced whenever a node becomes ready or stops being so; a call works on the
-- snapshot it started with.
local candidates = require 'perilune.cluster.candidate'
local core = require 'perilune.core'
local errors = require 'perilune.error'
local ejection = require 'perilune.cluster.ejection'
local links = require 'perilune.cluster.link'
local node_of = require 'perilune.cluster.node'
local nodes_of = require 'perilune.cluster.nodes'
local plans = require 'perilune.cluster.plan'
local readiness = require 'perilune.cluster.readiness'
local registry = require 'perilune.cluster.registry'
local slow_start = require 'perilune.cluster.slow_start'
local urls = require 'perilune.cluster.url'
local waiters = require 'perilune.cluster.waiters'
local direct = require 'perilune.cluster.direct'
local dispatches = require 'perilune.cluster.dispatch'
local fits, prepare, run = direct.fits, direct.prepare, direct.run

---@class perilune.cluster.Cluster
---@field ready_nodes perilune.cluster.Nodes
---@field attempt fun(ctx: any, call: any, node: perilune.cluster.Node): any, perilune.Error?
---  one try; the entry layer puts per-attempt filters around it
---@field name string        'demo.Greeter (prod)'
---@field calls integer      begun since the retry budget was last asked
local Cluster = {
  no_node = readiness.no_node,
  ready = readiness.ready,
  await_nodes = readiness.await_nodes,
  is_coming = readiness.is_coming,
}
Cluster.__index = Cluster

local M = {}

M.CONNECTIONS = 100

-- Of more nodes than it may connect to a worker leaves those for a while that it could not reach.
M.SUSPECT_AFTER, M.SUSPECT_FOR = 3, 60000

-- Several registries may be asked; who is listed by more than one is one node.
local function registries_of(refer)
  return type(refer.registry) == 'table' and refer.registry or { refer.registry }
end

-- What is wrong with the cluster half of a declaration, or nil. Loads the plugins it names.
---@param refer table
---@return string?
function M.check(refer)
  local _, message = plans.compile(refer)
  if message then
    return message
  end
  if refer.url then
    _, message = urls.entries(refer.url)
  elseif refer.registry then
    local list = registries_of(refer)
    if #list == 0 then
      return 'registry names none'
    end
    for _, url in ipairs(list) do
      message = message or registry.check(url)
    end
  else
    message = 'needs url or registry'
  end
  return message
end

local function session_params(refer)
  return {
    interface = refer.interface,
    alias = refer.alias or '',
    serialization = refer.serialization,
    compression = refer.compression,
    timeout = refer.connect_timeout,
    attributes = refer.attributes,
    auth = refer.auth,
  }
end

local function session_key(refer)
  local auth = refer.auth
  auth = auth and core.encode { type = auth.type, attributes = auth.attributes } or ''
  return table.concat({
    refer.interface,
    refer.alias or '',
    refer.serialization or '',
    refer.compression or '',
    auth,
  }, '\0')
end

local function name_of(refer)
  local alias = refer.alias
  return alias and alias ~= '' and ('%s (%s)'):format(refer.interface, alias) or refer.interface
end

-- Opens the cluster of a declaration; returns at once, connecting goes on behind.
---@param refer table
---@param before? perilune.cluster.Cluster  whose nodes' counters go on in this one
---@return perilune.cluster.Cluster?
---@return string? message
function M.open(refer, before)
  local plan, message = plans.compile(refer)
  if not plan then
    return nil, message
  end
  local self = setmetatable({
    refer = refer,
    plan = plan,
    name = name_of(refer),
    options = { connect_timeout = refer.connect_timeout, protocol = refer.protocol },
    session_params = session_params(refer),
    session_key = session_key(refer),
    connections = refer.connections or M.CONNECTIONS,
    attempt = dispatches.attempt,
    prepare = Cluster.prepare, -- of every call: the table is looked into before its class
    entries = {},
    subscriptions = {},
    listed = {}, -- entries by number of the registry
    suspects = {},
    links = {},
    order = {},
    gone = before and before:known() or setmetatable({}, { __mode = 'v' }),
    waiting = waiters.new(),
    calls = 0,
  }, Cluster)
  self.slow_start = plan.ramp and slow_start.new(self, plan.ramp)
  self.ejection = plan.ejection and ejection.new(self, plan.ejection)
  dispatches.init(self)
  self.ready_nodes = nodes_of.new({}, plan.pick)
  if refer.url then
    local entries
    entries, message = urls.entries(refer.url)
    if not entries then
      return nil, message
    end
    self:update(entries)
  else
    message = self:subscribe()
    if message then
      self:close()
      return nil, message
    end
  end
  if self.ejection then
    self.ejection:start()
  end
  return self
end

-- Follows the service in its registries; returns what is wrong with them, if anything.
---@return string?
function Cluster:subscribe()
  local service = { interface = self.refer.interface, alias = self.refer.alias }
  for i, url in ipairs(registries_of(self.refer)) do
    local subscription, message = registry.subscribe(url, service, function(snapshot)
      self.listed[i] = snapshot.entries
      local all = {}
      for n = 1, table.maxn(self.listed) do
        for _, entry in ipairs(self.listed[n] or {}) do
          all[#all + 1] = entry
        end
      end
      self:update(all)
    end)
    if not subscription then
      return message
    end
    self.subscriptions[#self.subscriptions + 1] = subscription
  end
end

local function same(a, b)
  for key, value in pairs(a) do
    if b[key] ~= value then
      return false
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false
    end
  end
  return true
end

-- The link's node under what the entry says now. A node never changes, so other meta data means
-- another node; its counters go on.
local function refresh(link, entry)
  local node = link.node
  if same(node.meta, entry.meta) then
    rawget(node, '_c').weight = entry.weight
  else
    link.node = node_of.new(entry, rawget(node, '_c'))
    rawset(link.node, '_link', link)
  end
end

-- Forgets of those that are listed no more that they could not be reached.
local function prune_suspects(self)
  if next(self.suspects) == nil then
    return
  end
  local kept = {}
  for _, entry in ipairs(self.entries) do
    kept[entry.url] = self.suspects[entry.url]
  end
  self.suspects = kept
end

-- Takes a whole list of entries: connects what is new, lets go what is gone, keeps the rest.
---@param entries perilune.cluster.Entry[]
function Cluster:update(entries)
  if self.closed then
    return
  end
  self.entries = entries
  prune_suspects(self)
  local wanted, order = {}, {}
  for _, entry in ipairs(candidates.choose(self)) do
    local id = entry.url
    if not wanted[id] then
      wanted[id] = true
      local link = self.links[id]
      if link then
        refresh(link, entry)
      else
        local old = self.gone[id]
        local node = node_of.new(entry, old and rawget(old, '_c'))
        link = links.new(self, node, entry.url)
        self.links[id] = link
      end
      link.weight = entry.weight
      if self.ejection then
        self.ejection:watch(link.node)
      end
      order[#order + 1] = link
    end
  end
  self.order = order
  if self.slow_start then
    self.slow_start:listed(order)
  end
  for id, link in pairs(self.links) do
    if not wanted[id] then
      self.links[id] = nil
      self.gone[id] = link.node
      link:close()
    end
  end
  for _, link in ipairs(order) do
    if not link.connection then
      link:open()
    end
  end
  self:rebuild()
end

-- Makes the snapshot anew.
function Cluster:rebuild()
  local list, n = {}, 0
  local out = self.ejection and self.ejection:sort_out(self.order)
  for _, link in ipairs(self.order) do
    if link.state == 'ready' and not (out and out[link]) then
      n = n + 1
      list[n] = link.node
    end
  end
  self.ready_nodes = nodes_of.new(list, self.plan.pick)
  if n > 0 then
    self.empty_since, self.was_ready = nil, true
    self.waiting:wake()
  else
    self.empty_since = self.empty_since or core.clock()
    if self.refer.wait_ready == false and not self:is_coming() then
      self.waiting:wake()
    end
  end
end

-- Another list may have come meanwhile.
local function choose_again(self)
  self:update(self.entries)
end

-- Called by a link whose state changed or that failed once more.
function Cluster:on_link(link)
  if self.closed or self.links[link.url] ~= link then
    return
  end
  if link.state == 'ready' then
    self.suspects[link.url] = nil
    if self.slow_start then
      self.slow_start:begin(link)
    end
  elseif link.failures >= M.SUSPECT_AFTER and #self.entries > #self.order then
    self.suspects[link.url] = core.clock() + M.SUSPECT_FOR
    core.spawn(choose_again, self, nil, true)
  end
  self:rebuild()
end

-- The end of a call that found no node: its router may say what it gives.
function Cluster:unsent(ctx, call, err)
  local failed = self.plan.router_of(call).failed
  if failed then
    return failed(ctx, call, err)
  end
  return nil, err
end

-- The nodes that the selectors leave to a call, at least one; nil and the call's result and error where
-- there is none.
---@async
local function select_nodes(self, ctx, call)
  local nodes = self.ready_nodes
  if nodes._n == 0 then
    local ready, err = self:await_nodes(ctx)
    if not ready then
      return nil, self:unsent(ctx, call, err)
    end
    nodes = self.ready_nodes
  end
  local plan = self.plan
  local selectors = plan.selectors
  for i = 1, plan.count do
    local message
    nodes, message = selectors[i].select(ctx, call, nodes)
    if not nodes or nodes._n == 0 then
      message = message
        or ("selector '%s' left none of %d nodes"):format(selectors[i].name, #self.ready_nodes)
      local fields = { outcome = 'NOT_SENT', retryable = false }
      return nil, self:unsent(ctx, call, errors.new('NO_NODE', message, fields))
    end
  end
  return nodes
end

local function by_router(self, ctx, call, nodes)
  local result, err = dispatches.run(self, ctx, call, nodes)
  if err == nil then
    return result
  end
  return dispatches.settle(self, ctx, call, err)
end

-- Sends a call to a node and returns its result.
---@async
---@param ctx any
---@param call any
---@return any result
---@return perilune.Error?
function Cluster:dispatch(ctx, call)
  local nodes, result, err = select_nodes(self, ctx, call)
  if not nodes then
    return result, err
  end
  return (fits(self) and run or by_router)(self, ctx, call, nodes)
end

-- The same, but a call that takes the short way is only prepared; see direct.prepare.
---@async
---@param ctx any
---@param call any
---@return any ...
function Cluster:prepare(ctx, call)
  local nodes, result, err = select_nodes(self, ctx, call)
  if not nodes then
    return result, err
  end
  return (fits(self) and prepare or by_router)(self, ctx, call, nodes)
end

-- Nodes by id, those it let go of among them as long as somebody remembers them.
---@return table<string, perilune.cluster.Node>
function Cluster:known()
  local known = setmetatable({}, { __mode = 'v' })
  for id, node in pairs(self.gone) do
    known[id] = node
  end
  for id, link in pairs(self.links) do
    known[id] = link.node
  end
  return known
end

-- All nodes this worker connects to, ready or not.
---@return perilune.cluster.Node[]
function Cluster:all_nodes()
  local list = {}
  for i, link in ipairs(self.order) do
    list[i] = link.node
  end
  return list
end

-- No new calls; those in flight finish on their connections.
function Cluster:close()
  if self.closed then
    return
  end
  self.closed = true
  for _, subscription in ipairs(self.subscriptions) do
    registry.unsubscribe(subscription)
  end
  for _, link in pairs(self.links) do
    link:close()
  end
  self.links, self.order, self.entries = {}, {}, {}
  self.ready_nodes = nodes_of.new({}, self.plan.pick)
  self.waiting:wake()
  dispatches.fini(self)
end

return M
