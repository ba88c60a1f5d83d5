-- SPDX-License-Identifier: MIT
-- Messages signed with a shared secret: HMAC-SHA-256 over who, when, once and what. For the filter
-- `signature` (each call) and the authenticator of that name (each session).
local policy = require('perilune').policy

local M = {}

M.KEY = '^[%w_.@-]+$'
local VERSION = 'perilune-hmac-sha256-1'

local function mac(secret, key, time, nonce, what)
  local text = table.concat({ VERSION, key, time, nonce }, '\n') .. '\n' .. what
  return policy.crypto.hmac_sha256(secret, text)
end

-- 'key:time:nonce:signature' of what is sent now. A nonce is used once; it need not be secret.
---@param key string
---@param secret string
---@param what string
---@return string
function M.sign(key, secret, what)
  local time = ('%.0f'):format(policy.walltime())
  local random = {}
  for i = 1, 4 do
    random[i] = bit.tohex(policy.random(0x7fffffff) * 2 + policy.random(2) - 1)
  end
  local nonce = table.concat(random)
  return table.concat({ key, time, nonce, mac(secret, key, time, nonce, what) }, ':')
end

-- What is wrong with the secrets of a verifier, or nil.
---@param keys table
---@return string?
function M.wrong_keys(keys)
  if type(keys) ~= 'table' or next(keys) == nil then
    return "keys must be a table of name -> secret, such as { shop = '...' }"
  end
  for key, secret in pairs(keys) do
    if type(key) ~= 'string' or not key:match(M.KEY) then
      return ("keys: '%s' must be letters, digits, _ . @ -"):format(tostring(key))
    elseif type(secret) ~= 'string' or #secret < 16 then
      return ("keys: the secret of '%s' must have at least 16 bytes"):format(key)
    end
  end
end

-- Who signed, or nil, why not and the code. The time is checked before the signature, a nonce is
-- remembered after it, so that nobody without a secret can fill the store.
---@param conf {keys: table, window: number}
---@param text any
---@param what fun(): string?
---@return string? identity
---@return string? why
---@return string? code
function M.verify(conf, text, what)
  if type(text) ~= 'string' or #text > 512 then
    return nil, 'the call is not signed'
  end
  local key, time, nonce, signature = text:match '^([^:]+):(%d+):(%x+):(%x+)$'
  if not key or #nonce < 16 or #nonce > 64 or #time > 15 then
    return nil, 'the signature is malformed'
  end
  local early = policy.walltime() - tonumber(time)
  if early > conf.window or early < -conf.window then
    return nil, ('the signature is older or newer than %d ms; check the clocks'):format(conf.window)
  end
  local signed = what()
  if not signed then
    return nil, 'the arguments are too large or nested too deeply to be signed', 'BAD_REQUEST'
  end
  -- An unknown key takes as long as a wrong signature, and is told the same.
  local secret = conf.keys[key]
  local expected = mac(secret or VERSION, key, time, nonce, signed)
  if not policy.crypto.same(expected, signature) or not secret then
    return nil, 'the signature is wrong'
  end
  local name = ('nonce\1%s\1%s'):format(policy.crypto.sha256(key):sub(1, 16), nonce)
  local new, later = policy.shared.take(name, 2 * conf.window + 1000, 1, 1, 0, true)
  if not new then
    if type(later) == 'string' then
      return nil, 'too many signatures to remember', 'OVERLOADED'
    end
    return nil, 'the signature was used before'
  end
  return key
end

return M
