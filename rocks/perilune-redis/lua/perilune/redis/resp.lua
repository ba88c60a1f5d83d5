-- SPDX-License-Identifier: MIT
-- The protocol of Redis (RESP 2) on a connection of the runtime. One fiber at a time.
local perilune = require 'perilune'

local MOST = 100000 -- elements of a reply
local LONGEST = 8 * 2 ^ 20 -- bytes of a string
local DEEPEST = 8

---@class perilune.redis.Client
local Client = {}
Client.__index = Client

local M = {}

local function malformed(text)
  return nil, perilune.error('PROTOCOL', 'this is no answer of Redis: ' .. text:sub(1, 40))
end

local receive

local function receive_list(self, count, timeout, depth)
  if count > MOST or depth > DEEPEST then
    return malformed('a list of ' .. count)
  end
  local list = {}
  for i = 1, count do
    local value, err = receive(self, timeout, depth + 1)
    if err then
      return nil, err
    end
    list[i] = value == nil and false or value
  end
  return list
end

local function receive_text(self, length, timeout)
  if length < 0 then
    return nil
  elseif length > LONGEST then
    return malformed('a text of ' .. length)
  end
  local text, err = self.socket:read(length + 2, timeout)
  if not text then
    return nil, err
  end
  return text:sub(1, -3)
end

function receive(self, timeout, depth)
  local line, err = self.socket:read_line(timeout)
  if not line then
    return nil, err
  end
  local kind, rest = line:sub(1, 1), line:sub(2)
  if kind == '+' then
    return rest
  elseif kind == '-' then
    return nil, perilune.error('BAD_REQUEST', rest)
  end
  local number = tonumber(rest)
  if not number then
    return malformed(line)
  elseif kind == ':' then
    return number
  elseif kind == '$' then
    return receive_text(self, number, timeout)
  elseif kind == '*' then
    return receive_list(self, number, timeout, depth)
  end
  return malformed(line)
end

-- The next reply or message. `timeout` 0 waits as long as it takes.
---@async
---@param timeout? integer
function Client:receive(timeout)
  return receive(self, timeout, 1)
end

---@return boolean
function Client:send(...)
  local n = select('#', ...)
  local parts = { ('*%d\r\n'):format(n) }
  for i = 1, n do
    local text = tostring((select(i, ...)))
    parts[#parts + 1] = ('$%d\r\n%s\r\n'):format(#text, text)
  end
  return self.socket:write(table.concat(parts))
end

-- Sends a command and waits for its reply. What Redis refuses is BAD_REQUEST; after any other error the
-- connection is of no more use.
---@async
function Client:command(...)
  if not self:send(...) then
    return nil, self.socket:ended() or perilune.error('CLOSED', 'the connection has ended')
  end
  return self:receive()
end

function Client:close()
  self.socket:close()
end

---@async
---@param url string
---@param options {timeout: integer, password?: string, db?: integer}
---@return perilune.redis.Client?
---@return perilune.Error?
function M.connect(url, options)
  local socket, err = perilune.connect(url, { timeout = options.timeout })
  if not socket then
    return nil, err
  end
  local client = setmetatable({ socket = socket }, Client)
  if options.password then
    err = select(2, client:command('AUTH', options.password))
  end
  if not err and (options.db or 0) ~= 0 then
    err = select(2, client:command('SELECT', options.db))
  end
  if err then
    client:close()
    return nil, err
  end
  return client
end

return M
