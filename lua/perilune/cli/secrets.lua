-- SPDX-License-Identifier: MIT
-- Secrets in the configuration: `{ file = '/run/secrets/x' }` in place of a text stands for what is in
-- the file, without the newline at its end. What came so, and what is called like a secret, is never
-- shown.
local errors = require 'perilune.error'

local M = {}

local MOST = 65536
local NAMES = { 'token', 'secret', 'password', 'passphrase', 'credential', 'private_key' }

-- Is a value of that name not to be shown?
---@param name string
---@return boolean
function M.is_secret(name)
  if type(name) ~= 'string' then
    return false
  end
  local lower = name:lower()
  for _, part in ipairs(NAMES) do
    if lower:find(part, 1, true) then
      return true
    end
  end
  return lower == 'key' or lower == 'keys' or name:sub(1, 1) == '.'
end

local function warn_readable(path)
  local ok, lfs = pcall(require, 'lfs')
  local mode = ok and lfs.attributes(path, 'permissions')
  if mode and mode:sub(7, 7) == 'r' then
    local text = "secret file '%s' can be read by everybody (%s); chmod 600 it"
    require('perilune.core').log('warn', 'SECRET', text:format(path, mode))
  end
end

-- What is in the file of a secret, or nil and what is wrong.
---@param path string
---@return string?
---@return string? message
function M.read(path)
  local file, message = io.open(path, 'rb')
  local text = file and file:read(MOST + 1)
  if file then
    file:close()
  end
  if not text then
    return nil, ('cannot read the secret: %s'):format(message or path .. ': it is empty')
  elseif #text > MOST then
    return nil, ("secret file '%s' is larger than %d bytes"):format(path, MOST)
  end
  warn_readable(path)
  return (text:gsub('\r?\n$', ''))
end

local function is_reference(value)
  local file = value.file
  return type(file) == 'string' and next(value) == 'file' and next(value, 'file') == nil
end

---@class perilune.cli.Secret
---@field file string
---@field keys any[]  where it stands

-- A copy of `values` with the secrets in it, and where each came from by its path
-- ("services.demo.Greeter.token"); or nil and what is wrong.
---@param values table
---@return table?
---@return table<string, perilune.cli.Secret>|string
function M.resolve(values)
  local hidden, keys = {}, {}
  local function walk(map, path, depth)
    if depth > 32 then
      error(errors.new('CONFIG', path .. ' is nested too deeply'), 0)
    end
    local copy = {}
    for key, value in pairs(map) do
      keys[depth] = key
      local name = path == '' and tostring(key) or path .. '.' .. tostring(key)
      if type(value) == 'table' and is_reference(value) then
        local text, message = M.read(value.file)
        if not text then
          error(errors.new('CONFIG', name .. ': ' .. message), 0)
        end
        copy[key] = text
        hidden[name] = { file = value.file, keys = { unpack(keys, 1, depth) } }
      elseif type(value) == 'table' then
        copy[key] = walk(value, name, depth + 1)
      elseif type(value) == 'function' then
        error(errors.new('CONFIG', name .. ' must not be a function'), 0)
      else
        copy[key] = value
      end
    end
    return copy
  end
  local ok, result = pcall(walk, values, '', 1)
  if not ok then
    return nil, errors.is(result) and result.message or tostring(result)
  end
  return result, hidden
end

return M
