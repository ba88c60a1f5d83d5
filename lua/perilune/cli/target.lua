-- SPDX-License-Identifier: MIT
-- What `call`, `bench` and `status` have in common: a URL, a method, arguments in JSON.
local core = require 'perilune.core'
local names = require 'perilune.entry.names'
local perilune = require 'perilune'

local M = {}

---@param parser table
function M.describe(parser)
  parser:argument('url', 'Where, such as joyrpc://127.0.0.1:22000.')
  parser:argument('method', 'Which, such as demo.Greeter.hello.')
  parser:argument('arguments', 'A JSON list, such as \'["moon"]\'.'):args '?'
  parser:option('--alias', 'Alias of the service.'):argname '<alias>'
  parser:option('--timeout', 'Deadline of a call in ms.', '5000'):argname '<ms>':convert(tonumber)
  parser:option('--serialization', 'json, msgpack, raw, hessian2 ...'):argname '<name>'
end

-- One line when this is no deadline, else nothing.
---@param ms any
---@return string? message
function M.wrong_timeout(ms)
  if type(ms) ~= 'number' or ms % 1 ~= 0 or ms < 1 then
    return '--timeout must be a whole number of milliseconds, at least 1'
  end
end

-- One line when this is no URL, else nothing.
---@param url string
---@return string? message
function M.wrong_url(url)
  if not url:match '^%a[%w+.-]*://.' then
    return ("'%s' is no URL; write joyrpc://HOST:PORT"):format(url)
  end
  return names.peer(url)
end

-- The service that a running process serves about itself.
---@param url string
---@param timeout? number ms
---@return perilune.Proxy
function M.admin(url, timeout)
  return perilune.refer {
    interface = 'perilune.Admin',
    url = url,
    timeout = timeout,
    retries = 0,
    wait_ready = false,
  }
end

---@class perilune.cli.Target
---@field url string
---@field interface string
---@field method string
---@field args table  with n

-- Reads what the user gave. Returns nil and one line when it is wrong.
---@param args table
---@return perilune.cli.Target?
---@return string? message
function M.read(args)
  local interface, method = args.method:match '^(.+)%.([^.]+)$'
  if not interface then
    return nil,
      ("'%s' is no method; write INTERFACE.METHOD, such as demo.Greeter.hello"):format(args.method)
  end
  local wrong = M.wrong_timeout(args.timeout)
    or M.wrong_url(args.url)
    or names.serialization(args.serialization)
  if wrong then
    return nil, wrong
  end
  local list = { n = 0 }
  local text = args.arguments
  if text then
    local values, message = core.decode(text, 'json', 'cdata')
    if not text:match '^%s*%[' or type(values) ~= 'table' then
      return nil,
        ('arguments must be a JSON list such as \'["moon"]\'%s'):format(
          message and ': ' .. message or ''
        )
    end
    for i = 1, #values do
      list[i] = values[i]
    end
    list.n = #values
  end
  return { url = args.url, interface = interface, method = method, args = list }
end

return M
