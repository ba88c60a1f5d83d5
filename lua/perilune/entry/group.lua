-- SPDX-License-Identifier: MIT
-- Groups: one refer over several aliases, `refer { aliases = { 'eu', 'us' }, group = 'by_argument' }`.
-- The consumer chain runs once; then the group's plugin says which alias a call goes to, or tries them
-- itself. Each alias has a cluster of its own.
local clusters = require 'perilune.cluster.cluster'
local core = require 'perilune.core'
local errors = require 'perilune.error'
local options = require 'perilune.entry.options'
local plugin = require 'perilune.plugin'

local M = {}

---@class perilune.Group
---@field kind 'group'
---@field aliases string[]
---@field members table<string, perilune.cluster.Cluster>
---@field ready_nodes perilune.cluster.Node[]  none of its own; see all_nodes
local Group = {}
Group.__index = Group

-- A function that chooses, or a plugin that invokes; nil and what is wrong.
local function policy_of(refer)
  local found, message = plugin.use('group', refer.group or plugin.get_point('group').default)
  if found == nil then
    return nil, tostring(message)
  elseif type(found) == 'function' then
    return { choose = found }
  elseif not found.choose and not found.invoke then
    return nil, "a group has 'choose' or 'invoke'"
  end
  return found
end

-- What is wrong with the aliases and the group of a declaration, or nil.
---@param refer table
---@return string?
function M.check(refer)
  if refer.alias ~= '' then
    return 'give it an alias or aliases, not both'
  elseif #refer.aliases == 0 then
    return 'aliases is empty'
  end
  local seen = {}
  for i, alias in ipairs(refer.aliases) do
    if type(alias) ~= 'string' then
      return 'aliases must be a list of strings'
    elseif not alias:match(options.ALIAS) then
      return ("aliases[%d] must match '%s', got '%s'"):format(i, options.ALIAS, alias)
    elseif seen[alias] then
      return ("aliases names '%s' twice"):format(alias)
    end
    seen[alias] = true
  end
  return select(2, policy_of(refer))
end

-- Opens a cluster for each alias. `wrap(cluster)` puts the attempt filters around their attempts.
---@param refer table
---@param before? perilune.Group  of the generation before
---@param wrap fun(cluster: perilune.cluster.Cluster)
---@return perilune.Group?
---@return string? message
function M.open(refer, before, wrap)
  local policy, message = policy_of(refer)
  if not policy then
    return nil, message
  end
  local self = setmetatable({
    kind = 'group',
    refer = refer,
    aliases = refer.aliases,
    members = {},
    policy = policy,
    ready_nodes = {},
  }, Group)
  for _, alias in ipairs(refer.aliases) do
    local member = setmetatable({ alias = alias, aliases = false }, { __index = refer })
    local cluster
    cluster, message = clusters.open(member, before and before.members[alias])
    if not cluster then
      self:close()
      return nil, message
    end
    wrap(cluster)
    self.members[alias] = cluster
  end
  return self
end

function Group:member(alias)
  local cluster = self.members[alias]
  if cluster then
    return cluster
  end
  local text = ("no alias '%s' in the group of %s; it has %s"):format(
    tostring(alias),
    self.refer.interface,
    table.concat(self.aliases, ', ')
  )
  return nil, errors.new('NO_SERVICE', text, { outcome = 'NOT_SENT', retryable = false })
end

-- Sends a call to an alias. With `patience` there is somewhere else to go: where no node is ready, one is
-- awaited for so many ms, and only while the first may be about to come.
---@async
local function send_to(self, ctx, call, alias, patience)
  local cluster, err = self:member(alias)
  if not cluster then
    return nil, err
  end
  if patience and #cluster.ready_nodes == 0 then
    local ready, why = cluster:ready(cluster:is_coming() and patience or 0)
    if not ready then
      return nil, why
    end
  end
  call.waited = patience ~= nil
  return cluster:dispatch(ctx, call)
end

local function begin(self, ctx, call, way)
  local policy = self.policy
  if policy.invoke then
    return policy.invoke(ctx, call, function(alias, patience)
      return send_to(self, ctx, call, alias, patience)
    end, self.aliases)
  end
  local alias = policy.choose(ctx, call, self.aliases)
  if alias == nil then
    alias = self.aliases[core.random(#self.aliases)]
  end
  local cluster, err = self:member(alias)
  if not cluster then
    return nil, err
  end
  return cluster[way](cluster, ctx, call)
end

---@async
function Group:dispatch(ctx, call)
  return begin(self, ctx, call, 'dispatch')
end

---@async
function Group:prepare(ctx, call)
  return begin(self, ctx, call, 'prepare')
end

-- Waits until each alias has so many nodes.
---@async
function Group:ready(timeout, count)
  local till = timeout and core.clock() + timeout
  for _, alias in ipairs(self.aliases) do
    local ok, err = self.members[alias]:ready(till and math.max(0, till - core.clock()), count)
    if not ok then
      return nil, err
    end
  end
  return true
end

---@return perilune.cluster.Node[]
function Group:all_nodes()
  local list = {}
  for _, alias in ipairs(self.aliases) do
    for _, node in ipairs(self.members[alias]:all_nodes()) do
      list[#list + 1] = node
    end
  end
  return list
end

function Group:close()
  for _, cluster in pairs(self.members) do
    cluster:close()
  end
  self.members = {}
end

return M
