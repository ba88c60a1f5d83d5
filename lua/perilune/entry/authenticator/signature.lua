-- SPDX-License-Identifier: MIT
-- Authenticates a session once by a signature, so that its calls need none:
--
--   perilune.export { ..., auth = { 'signature', keys = { shop = secret } } }
--   perilune.refer { ..., auth = { 'signature', key = 'shop', secret = secret } }
local signature = require 'perilune.entry.signature'

local function what_of(interface, alias)
  return table.concat({ 'session', interface, alias }, '\n')
end

return {
  name = 'signature',
  schema = {
    keys = { type = 'table', required = true, help = 'name -> secret' },
    window = { type = 'number', min = 100, default = 30000, help = 'ms a signature is good' },
  },
  new = function(conf)
    local wrong = signature.wrong_keys(conf.keys)
    if wrong then
      return nil, wrong
    end
    return function(request)
      return signature.verify(conf, request.attributes.signature, function()
        return what_of(request.interface, request.alias)
      end)
    end
  end,
  -- What a consumer presents: the secret stays here.
  present = function(conf, session)
    if type(conf.key) ~= 'string' or not conf.key:match(signature.KEY) then
      return nil, 'auth: signature needs a key of letters, digits, _ . @ -'
    elseif type(conf.secret) ~= 'string' or #conf.secret < 16 then
      return nil, 'auth: signature needs a secret of at least 16 bytes'
    end
    local what = what_of(session.interface, session.alias)
    return { signature = signature.sign(conf.key, conf.secret, what) }
  end,
}
