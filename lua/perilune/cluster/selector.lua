-- SPDX-License-Identifier: MIT
-- Turns selectors into functions(ctx, call, nodes) -> nodes. A rule { by, want, otherwise } is looked
-- up in an index of the snapshot; a function is called as it is and its answer checked.
local errors = require 'perilune.error'
local nodes_of = require 'perilune.cluster.nodes'
local plugin = require 'perilune.plugin'
local text_of = require 'perilune.text'

local M = {}

local where = nodes_of.where

local function indexed(rule, name)
  local by, want, otherwise = rule.by, rule.want, rule.otherwise or 'none'
  return function(ctx, call, nodes)
    local value = want(ctx, call)
    if value == nil then
      return nodes
    end
    local found = where(nodes, by, value)
    if found._n > 0 or otherwise == 'none' then
      return found
    elseif otherwise == 'all' then
      return nodes
    end
    return nil, ("selector '%s': no node for '%s'"):format(name, text_of(value))
  end
end

local function checked(fn, name)
  return function(ctx, call, nodes)
    local found, message = fn(ctx, call, nodes)
    if not nodes_of.is(found) and message == nil then
      local text = "selector '%s' must return nodes, got a %s; use nodes:filter or nodes:where"
      error(errors.new('INTERNAL', text:format(name, type(found))), 0)
    end
    return found, message
  end
end

---@class perilune.cluster.Selector
---@field name string
---@field select fun(ctx: any, call: any, nodes: perilune.cluster.Nodes): perilune.cluster.Nodes?, string?
---@field by? string|function  what it tells nodes apart by

-- Selectors of a declaration, in order; nil and a message when one is unknown or wrong.
---@param refs any  nil, one reference or a list of them
---@return perilune.cluster.Selector[]?
---@return string? message
function M.compile(refs)
  if refs == nil then
    return {}
  elseif type(refs) ~= 'table' or type(refs.want) == 'function' then
    refs = { refs }
  end
  local list = {}
  for i, ref in ipairs(refs) do
    local instance, record = plugin.use('selector', ref)
    if instance == nil then
      return nil, record --[[@as string]]
    end
    local name = record.name
    if type(instance) == 'function' then
      list[i] = { name = name, select = checked(instance, name) }
    else
      list[i] = { name = name, select = indexed(instance, name), by = instance.by }
    end
  end
  return list
end

return M
