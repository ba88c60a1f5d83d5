-- SPDX-License-Identifier: MIT
-- Who may call what, as a list of rules; the first one that fits decides.
--
--   { identity = 'shop*', interface = 'demo.*', method = { 'get*', 'list*' } }     may
--   { identity = 'shop*', allow = false }                                         may not
--
-- What a rule leaves out fits everything; `identity` fits nobody who did not prove one. When no rule fits,
-- `default` decides.
local glob = require 'perilune.entry.glob'

local REMEMBERED = 10000 -- decisions
local FIELDS = { identity = 1, interface = 1, method = 1, allow = 1 }

local function anything()
  return true
end

local function compile(rule, i)
  local compiled = { allow = rule.allow ~= false, identity = nil }
  for key in pairs(rule) do
    if not FIELDS[key] then
      local text = "rules[%d]: unknown '%s'; known: allow, identity, interface, method"
      return nil, text:format(i, tostring(key))
    end
  end
  if rule.allow ~= nil and type(rule.allow) ~= 'boolean' then
    return nil, ('rules[%d]: allow must be true or false'):format(i)
  end
  for _, key in ipairs { 'identity', 'interface', 'method' } do
    local message
    compiled[key] = key ~= 'identity' and anything or nil
    if rule[key] ~= nil then
      compiled[key], message = glob.matcher(rule[key])
      if not compiled[key] then
        return nil, ('rules[%d].%s: %s'):format(i, key, message)
      end
    end
  end
  return compiled
end

local function fits(rule, call, identity)
  if rule.identity and not (identity and rule.identity(identity)) then
    return false
  end
  return rule.interface(call.interface) and rule.method(call.method)
end

-- Who, what and the rules decide, so that a decision made once is looked up.
local function remembering(decide)
  local seen, count = {}, 0
  local function remember(call, identity)
    if count >= REMEMBERED then
      seen, count = {}, 0
    end
    local who, verdict = identity or false, decide(call, identity)
    seen[who] = seen[who] or {}
    seen[who][call.interface] = seen[who][call.interface] or {}
    seen[who][call.interface][call.method], count = verdict, count + 1
    return verdict
  end
  return function(_, call, identity)
    local of = seen[identity or false]
    of = of and of[call.interface]
    local verdict = of and of[call.method] or remember(call, identity)
    if verdict == true then
      return true
    end
    return nil, verdict
  end
end

return {
  name = 'rules',
  schema = {
    rules = {
      type = 'list',
      required = true,
      items = { type = 'table' },
      help = 'the first that fits decides',
    },
    default = {
      type = 'string',
      enum = { 'deny', 'allow' },
      default = 'deny',
      help = 'where no rule fits',
    },
  },
  new = function(conf)
    local rules = {}
    for i, rule in ipairs(conf.rules) do
      local compiled, message = compile(rule, i)
      if not compiled then
        return nil, message
      end
      rules[i] = compiled
    end
    return remembering(function(call, identity)
      for i = 1, #rules do
        if fits(rules[i], call, identity) then
          return rules[i].allow or 'a rule forbids it'
        end
      end
      return conf.default == 'allow' or 'no rule allows it'
    end)
  end,
}
