-- SPDX-License-Identifier: MIT
-- Refuses calls whose arguments break the rules, with every field that is wrong: BAD_REQUEST, `details`
-- is a list of { field, message }. A provider writes defaults into the arguments.
--
--   methods = { book = { validation = {
--     { type = 'string', min = 1, max = 80 },
--     { type = 'table', fields = { seats = { type = 'integer', min = 1, default = 1 } } },
--   } } }
--   validation = { methods = { book = {...}, cancel = {...} } }       rules of several methods
--   validation = 'my_validator'                                       a plugin of the point validator
local perilune = require 'perilune'

local TOLD = 1000 -- bytes of the message

-- One line that names every field; it is what peers see that know no details.
local function message_of(failures)
  local parts = {}
  for i, failure in ipairs(failures) do
    parts[i] = ('%s %s'):format(failure.field, failure.message)
  end
  local text = table.concat(parts, '; ')
  if #text > TOLD then
    text = text:sub(1, TOLD) .. ' ...'
  end
  local more = (failures.count or #failures) - #failures
  return more > 0 and ('%s (and %d more)'):format(text, more) or text
end

local function refusal(failures)
  local details = {}
  for i, failure in ipairs(failures) do
    details[i] = failure
  end
  return perilune.error('BAD_REQUEST', message_of(failures), details)
end

-- A validator that breaks its contract fails the call and says how.
local function listed(failures)
  for i, failure in ipairs(type(failures) == 'table' and failures or {}) do
    if type(failure) ~= 'table' or failure.field == nil or failure.message == nil then
      error(('the validator gave a %s as failure %d'):format(type(failure), i), 0)
    end
  end
  if type(failures) ~= 'table' or #failures == 0 then
    local text = 'the validator gave %s; it gives nil, or a list of { field =, message = }'
    error(text:format(type(failures) == 'table' and 'no failures' or 'a ' .. type(failures)), 0)
  end
  return failures
end

-- method -> validator, or nil and what is wrong. `[1]` is the one of all other methods.
local function validators_of(conf)
  local found, message = {}, nil
  local function add(key, ref, place)
    if not message then
      found[key], message = perilune.use('validator', ref)
      message = message and place .. message
    end
  end
  if conf.args then
    add(1, { conf.validator, args = conf.args, most = conf.most }, '')
  elseif conf.validator ~= 'schema' then
    add(1, conf.validator, '')
  end
  for method, args in pairs(conf.methods) do
    if type(args) ~= 'table' then
      return nil, ('methods.%s must be a list of rules'):format(tostring(method))
    end
    add(
      method,
      { 'schema', args = args, most = conf.most },
      ('methods.%s: '):format(tostring(method))
    )
  end
  if not message and next(found) == nil then
    message = 'says nothing: give it args, methods or a validator'
  end
  if message then
    return nil, message
  end
  return found
end

-- A method with rules that is none of the service: rules that nobody would look at.
local function strange_method(methods, service)
  for method in pairs(service and methods or {}) do
    if service[method] == nil then
      return tostring(method)
    end
  end
end

return {
  name = 'validation',
  side = 'both',
  schema = {
    args = { type = 'list', help = 'the rule of each argument, in order' },
    methods = { type = 'table', default = {}, help = 'such lists by method' },
    validator = { type = 'any', default = 'schema', help = 'a plugin of the point validator' },
    most = { type = 'integer', min = 1, max = 1000, default = 32, help = 'failures that are told' },
  },
  new = function(conf, where)
    local unknown = strange_method(conf.methods, where and where.service)
    if unknown then
      return nil, ("methods has rules for '%s', which the service does not have"):format(unknown)
    end
    local validators, message = validators_of(conf)
    if not validators then
      return nil, message
    end
    return function(ctx, call, next)
      local validate = validators[call.method] or validators[1]
      if validate then
        -- A caller keeps its tables as they are.
        local failures = validate(call.args, ctx.side == 'provider')
        if failures then
          return nil, refusal(listed(failures))
        end
      end
      return next(ctx, call)
    end
  end,
}
