-- SPDX-License-Identifier: MIT
-- Checks the token that a session presents when it begins (`refer { auth = { 'token', token = ... } }`),
-- so that its calls need not carry one.
local tokens = require 'perilune.entry.token'

return {
  name = 'token',
  schema = { token = { type = 'any', help = 'the token, or a table of name -> token' } },
  new = function(conf)
    local identify, message = tokens.identify(conf.token)
    if not identify then
      return nil, message
    end
    return function(request)
      local identity = identify(request.attributes['.token'] or request.attributes.token)
      if not identity then
        return nil, 'the token is not known here'
      end
      return identity
    end
  end,
  -- What a consumer presents, by JoyRPC's name for it.
  present = function(conf)
    if type(conf.token) ~= 'string' or conf.token == '' then
      return nil, 'auth: token needs a token that is not empty'
    end
    return { ['.token'] = conf.token }
  end,
}
