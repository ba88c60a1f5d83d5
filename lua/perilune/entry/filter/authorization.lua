-- SPDX-License-Identifier: MIT
-- Lets a call pass when an authorizer says that its caller may make it: FORBIDDEN, or UNAUTHENTICATED when
-- nobody knows who calls. Stands behind whatever proves identities (token, signature, auth).
--
--   authorization = { { identity = 'shop', method = 'get*' }, { identity = 'admin' } }
--   authorization = { rules = {...}, default = 'allow' }
--   authorization = 'my_authorizer'                              a plugin of the point authorizer
local perilune = require 'perilune'

local function authorizer_of(conf)
  if conf.authorizer ~= 'rules' then
    return perilune.use('authorizer', conf.authorizer)
  elseif not conf.rules then
    return nil, 'says nothing: give it rules or an authorizer'
  end
  return perilune.use('authorizer', { 'rules', rules = conf.rules, default = conf.default })
end

local function refusal(call, identity, why)
  local name = call.interface .. '.' .. call.method
  if not identity then
    return perilune.error(
      'UNAUTHENTICATED',
      ('%s wants to know who calls: %s'):format(name, tostring(why or 'no identity'))
    )
  end
  local text = "'%s' may not call %s: %s"
  return perilune.error('FORBIDDEN', text:format(identity, name, tostring(why or 'refused')))
end

return {
  name = 'authorization',
  side = 'provider',
  after = { 'token', 'auth', 'signature' },
  schema = {
    rules = { type = 'list', help = 'the first that fits decides' },
    default = {
      type = 'string',
      enum = { 'deny', 'allow' },
      default = 'deny',
      help = 'where no rule fits',
    },
    authorizer = { type = 'any', default = 'rules', help = 'a plugin of the point authorizer' },
    identity = { type = 'any', default = 'session', help = 'a plugin of the point identity' },
  },
  new = function(conf)
    local authorize, message = authorizer_of(conf)
    if not authorize then
      return nil, message
    end
    local identify, wrong = perilune.use('identity', conf.identity)
    if not identify then
      return nil, wrong
    end
    local refused = perilune.counter 'perilune_unauthorized'
    return function(ctx, call, next)
      local identity = identify(ctx, call)
      if identity ~= nil and type(identity) ~= 'string' then
        error(('the identity is a %s; it is a string, or nil'):format(type(identity)), 0)
      end
      local allowed, why = authorize(ctx, call, identity)
      if allowed ~= true then
        refused()
        if allowed then
          error(
            ('the authorizer gave a %s; it gives true, or nil and why'):format(type(allowed)),
            0
          )
        end
        return nil, refusal(call, identity, why)
      end
      return next(ctx, call)
    end
  end,
}
