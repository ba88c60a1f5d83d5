-- SPDX-License-Identifier: MIT
local core = require 'perilune.core'
local perilune = require 'perilune'
local target = require 'perilune.cli.target'
local terminal = require 'perilune.cli.terminal'

local M = { summary = 'Call a method and print its result as JSON.' }

function M.describe(parser)
  target.describe(parser)
  parser:option('--attach', 'An attachment; may be given again.'):argname '<key=value>':count '*'
  parser:flag('--json', 'One line of JSON; a failure is an object with the member error.')
end

local function attachments_of(list)
  local map = {}
  for _, pair in ipairs(list) do
    local key, value = pair:match '^([^=]+)=(.*)$'
    if not key then
      return nil, ("--attach '%s': write KEY=VALUE"):format(pair)
    end
    map[key] = value
  end
  return map
end

local function fail(args, err)
  if not args.json then
    return 1, tostring(err)
  end
  print(
    core.encode { error = { code = err.code, message = err.message, retryable = err.retryable } }
  )
  return 1
end

---@async
function M.run(args)
  local to, message = target.read(args)
  local attachments = to and nil
  if to then
    attachments, message = attachments_of(args.attach)
  end
  if not to or not attachments then
    return 2, message
  end
  local proxy = perilune.refer {
    interface = to.interface,
    alias = args.alias or '',
    url = to.url,
    serialization = args.serialization,
    timeout = args.timeout,
    retries = 0,
    wait_ready = false,
    int64 = 'cdata',
    attachments = attachments,
  }
  local result, err = perilune.call(proxy, to.method, unpack(to.args, 1, to.args.n))
  if err ~= nil then
    return fail(args, err)
  end
  local text
  text, message = core.encode(result)
  if not text then
    return 1, 'the result cannot be written as JSON: ' .. message
  end
  print(not args.json and terminal.is_terminal() and terminal.pretty(text) or text)
  return 0
end

return M
