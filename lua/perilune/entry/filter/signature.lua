-- SPDX-License-Identifier: MIT
-- Calls signed with a shared secret. A consumer signs each attempt; a provider lets pass what a known key
-- signed within `window` ms and never saw before in this process, and `ctx.identity` is the key's name.
-- With `body` the arguments are signed, too. A session that authenticated (refer { auth = { 'signature',
-- ... } }) needs no signed calls.
--
--   perilune.export { ..., signature = { keys = { shop = secret } } }
--   perilune.refer { ..., signature = { key = 'shop', secret = secret } }
local perilune = require 'perilune'
local keys = require 'perilune.entry.key'
local signature = require 'perilune.entry.signature'

local ATTACHMENT = '.signature'
local BODY = 8388608 -- bytes of arguments that are signed

local TOO_LARGE = 'arguments are too large or nested too deeply to be signed (8 MiB, 31 levels);'
  .. ' say signature = { body = false }'

-- What is signed; nil for arguments that cannot be: nobody could tell them from others of that kind. They
-- count by value, so that no serialization matters.
local function what_of(conf, call)
  local digest = '-'
  if conf.body then
    local args = call.args
    local n = args.n or #args
    while n > 0 and args[n] == nil do
      n = n - 1
    end
    local text = keys.of('', args, n, BODY)
    if not text then
      return nil
    end
    digest = perilune.crypto.sha256(text)
  end
  return table.concat({ 'call', call.interface, call.alias, call.method, digest }, '\n')
end

local function signing(conf)
  if not conf.key or not conf.secret then
    return nil, 'a consumer signs with a key and its secret'
  elseif not conf.key:match(signature.KEY) then
    return nil, ("key '%s' must be letters, digits, _ . @ -"):format(conf.key)
  end
  return function(ctx, call, next)
    local what = what_of(conf, call)
    if not what then
      return nil, perilune.error('BAD_REQUEST', TOO_LARGE)
    end
    call.attachments[ATTACHMENT] = signature.sign(conf.key, conf.secret, what)
    return next(ctx, call)
  end
end

local function verifying(conf)
  local wrong = signature.wrong_keys(conf.keys)
  if wrong then
    return nil, wrong
  end
  local refused = perilune.counter 'perilune_unsigned'
  return function(ctx, call, next)
    -- A session counts only if somebody checked it: then it has an identity.
    if not (ctx.authenticated and ctx.identity) then
      local attachments = call.attachments
      local identity, why, code = signature.verify(conf, attachments[ATTACHMENT], function()
        return what_of(conf, call)
      end)
      if not identity then
        refused()
        return nil, perilune.error(code or 'UNAUTHENTICATED', why)
      end
      ctx.identity = identity
      attachments[ATTACHMENT] = nil
    end
    return next(ctx, call)
  end
end

return {
  name = 'signature',
  schema = {
    keys = { type = 'table', help = 'provider: name -> secret' },
    key = { type = 'string', help = 'consumer: name of the key' },
    secret = { type = 'string', min = 16, secret = true, help = 'consumer: its secret' },
    body = { type = 'boolean', default = true, help = 'the arguments are signed, too' },
    window = { type = 'number', min = 100, default = 30000, help = 'ms a signature is good' },
  },
  new = function(conf, where)
    if where and where.side == 'provider' or conf.keys then
      return verifying(conf)
    end
    return signing(conf)
  end,
}
