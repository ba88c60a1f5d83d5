-- SPDX-License-Identifier: MIT
-- Who knows a token: for the filter `token` and the authenticator of the same name. Comparing takes as
-- long for a wrong token as for a right one.
local M = {}

-- Equal? Looks at every byte of what was presented, whatever the outcome.
---@param presented string
---@param secret string
---@return boolean
function M.equal(presented, secret)
  local differ = bit.bxor(#presented, #secret)
  for i = 1, #presented do
    differ = bit.bor(differ, bit.bxor(presented:byte(i), secret:byte((i - 1) % #secret + 1)))
  end
  return differ == 0
end

local function secrets_of(conf)
  if type(conf) == 'string' then
    return { { 'token', conf } }
  elseif type(conf) ~= 'table' then
    return nil
  end
  local list = {}
  for name, secret in pairs(conf) do
    list[#list + 1] = { type(name) == 'string' and name or 'token' .. name, secret }
  end
  return #list > 0 and list or nil
end

-- A function that names who presented a token (nil when nobody), or nil and what is wrong with `conf`:
-- a token, a list of tokens, or a table of name -> token.
---@param conf any
---@return (fun(presented: any): string?)?
---@return string? message
function M.identify(conf)
  -- Taken for a table of tokens, the path would let everybody in who knows it.
  local path = type(conf) == 'table' and conf.file
  if type(path) == 'string' and path:sub(1, 1) == '/' and next(conf, next(conf)) == nil then
    local text = "{ file = '%s' } is for the configuration; a script says perilune.secret '%s'"
    return nil, text:format(path, path)
  end
  local secrets = secrets_of(conf)
  for _, secret in ipairs(secrets or {}) do
    if type(secret[2]) ~= 'string' or secret[2] == '' then
      secrets = nil
      break
    end
  end
  if not secrets then
    return nil, 'token must be a string that is not empty, or a table of name -> token'
  end
  return function(presented)
    local identity
    if type(presented) == 'string' and #presented <= 4096 then
      for i = 1, #secrets do
        if M.equal(presented, secrets[i][2]) then
          identity = secrets[i][1]
        end
      end
    end
    return identity
  end
end

return M
