-- SPDX-License-Identifier: MIT
-- Rules made of conditions. Every rule whose `when` holds for the call leaves the nodes for which
-- `use` holds; several rules narrow further.
--   selectors = { { 'conditions', rules = {
--     { when = { 'and', { '==', 'method', 'pay' }, { '>=', 'arg.1.amount', 1000 } },
--       use = { 'in', 'node.zone', { 'a', 'b' } }, otherwise = 'all' },
--   } } }
-- A `use` that looks at nodes alone is evaluated once per node list, not per call.
local policy = require 'perilune.policy'

local OTHERWISE = { none = true, all = true, error = true }

local function compile(rule, path)
  if type(rule) ~= 'table' then
    return nil, path .. ' must be a table { when =, use = }'
  end
  for key in pairs(rule) do
    if key ~= 'when' and key ~= 'use' and key ~= 'otherwise' then
      return nil,
        ("%s: unknown field '%s'; known: otherwise, use, when"):format(path, tostring(key))
    end
  end
  local compiled = { otherwise = rule.otherwise or 'none' }
  if not OTHERWISE[compiled.otherwise] then
    return nil, ("%s.otherwise must be 'none', 'all' or 'error'"):format(path)
  end
  local message
  if rule.when ~= nil then
    compiled.when, message = policy.condition(rule.when, path .. '.when')
    if not compiled.when then
      return nil, message
    elseif compiled.when.of_node then
      return nil, path .. '.when: looks at a node; put that into use'
    end
  end
  compiled.use, message = policy.condition(rule.use, path .. '.use')
  if not compiled.use then
    return nil, message
  elseif not compiled.use.of_node then
    return nil, path .. '.use: looks at no node'
  end
  local test = compiled.use.test
  function compiled.fits(node)
    return test(nil, nil, node)
  end
  return compiled
end

local function narrow(rule, ctx, call, nodes)
  if not rule.use.of_call then
    return nodes:where(rule.fits, true)
  end
  local test = rule.use.test
  return nodes:filter(function(node)
    return test(ctx, call, node)
  end)
end

return {
  name = 'conditions',
  schema = {
    rules = { type = 'list', required = true, min = 1, help = '{ when, use, otherwise }' },
  },
  new = function(conf)
    local rules = {}
    for i, rule in ipairs(conf.rules) do
      local message
      rules[i], message = compile(rule, ('rules[%d]'):format(i))
      if not rules[i] then
        return nil, message
      end
    end
    return function(ctx, call, nodes)
      for i, rule in ipairs(rules) do
        if not rule.when or rule.when.test(ctx, call) then
          local found = narrow(rule, ctx, call, nodes)
          if #found > 0 then
            nodes = found
          elseif rule.otherwise == 'error' then
            return nil, ("selector 'conditions': no node for rule %d"):format(i)
          elseif rule.otherwise == 'none' then
            return found
          end
        end
      end
      return nodes
    end
  end,
}
