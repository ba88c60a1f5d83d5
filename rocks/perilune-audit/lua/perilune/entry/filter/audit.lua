-- SPDX-License-Identifier: MIT
-- An audit trail: for each call one line in the log, tag AUDIT, that says who asked for what with which
-- arguments and how it ended. What must not be written (passwords, card numbers) is named by key and
-- masked at any depth; long texts and lists are cut. Calls that change nothing can be left out.
--
--   filters = { { 'audit', redact = { 'password', 'card' }, skip = { 'ping' } } }
local policy = require 'perilune.policy'

local MASK = '***'
local DEEPEST = 8
local ENTRIES = 1000 -- of all tables of a call

local function set_of(list)
  local set = {}
  for _, name in ipairs(list) do
    set[name:lower()] = true
  end
  return set
end

local copy

-- A text that fits, cut between characters.
local function shorten(text, conf)
  if #text <= conf.longest then
    return text
  end
  local at = conf.longest
  while at > 0 and text:byte(at + 1) >= 0x80 and text:byte(at + 1) < 0xC0 do
    at = at - 1
  end
  return ('%s... (%d bytes)'):format(text:sub(1, at), #text)
end

-- `seen` counts what was written of all arguments: the same table may stand in many places.
local function copy_table(value, conf, hidden, depth, seen)
  if depth > DEEPEST then
    return '...'
  end
  local result, count = {}, 0
  for key, item in pairs(value) do
    count = count + 1
    seen.count = seen.count + 1
    if count > conf.most or seen.count > ENTRIES then
      result['...'] = true
      break
    end
    local name = tostring(key)
    if hidden[name:lower()] or name:sub(1, 1) == '.' then
      result[name] = MASK
    else
      result[name] = copy(item, conf, hidden, depth + 1, seen)
    end
  end
  return result
end

function copy(value, conf, hidden, depth, seen)
  local kind = type(value)
  if kind == 'table' then
    return copy_table(value, conf, hidden, depth, seen)
  elseif kind == 'string' then
    return shorten(value, conf)
  elseif kind == 'number' or kind == 'boolean' then
    return value
  end
  return tostring(value)
end

local function write(conf, hidden, ctx, call, began, err)
  policy.log.info('call', {
    service = call.interface,
    method = call.method,
    args = conf.args and copy(call.args, conf, hidden, 1, { count = 0 }) or nil,
    peer = ctx.peer,
    identity = ctx.identity,
    code = err == nil and 'OK' or type(err) == 'table' and err.code or 'UNKNOWN',
    ms = policy.clock() - began,
  }, 'AUDIT')
end

return {
  name = 'audit',
  side = 'provider',
  schema = {
    redact = { type = 'list', items = { type = 'string' }, default = {}, help = 'keys to mask' },
    skip = {
      type = 'list',
      items = { type = 'string' },
      default = {},
      help = 'methods to leave out',
    },
    args = { type = 'boolean', default = true, help = 'write the arguments' },
    longest = { type = 'integer', min = 1, default = 256, help = 'bytes of a text' },
    most = { type = 'integer', min = 1, default = 32, help = 'entries of a table' },
  },
  new = function(conf)
    local hidden, skipped = set_of(conf.redact), set_of(conf.skip)
    return function(ctx, call, next)
      if skipped[call.method:lower()] then
        return next(ctx, call)
      end
      local began = policy.clock()
      local ok, result, err = pcall(next, ctx, call)
      write(conf, hidden, ctx, call, began, ok and err or not ok and result or nil)
      if not ok then
        error(result, 0)
      end
      return result, err
    end
  end,
}
