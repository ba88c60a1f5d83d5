-- SPDX-License-Identifier: MIT
-- What policies look at, written as a text and compiled once:
--
--   method  interface  alias          of the call
--   arg.1  arg.2.tenant.id            an argument, or a field of one
--   attachment.user                   an attachment (what follows the first dot is its name)
--   node.version  node.address        a meta field of the node, its address or id
local null = require('perilune.core').null
local waiting = require 'perilune.waiting'

local M = {}

local CALL = { method = true, interface = true, alias = true }
local NODE = { address = true, id = true, weight = true, is_local = true }

local function argument(path)
  local position, rest = path:match '^(%d+)(.*)$'
  position = tonumber(position)
  if not position or position < 1 or (rest ~= '' and rest:sub(1, 1) ~= '.') then
    return nil, ("'arg.%s': arguments have numbers, as in arg.1 or arg.1.name"):format(path)
  end
  local fields = {}
  for field in rest:gmatch '[^.]+' do
    fields[#fields + 1] = field
  end
  return function(_, call)
    local value = call.args[position]
    for i = 1, #fields do
      if type(value) ~= 'table' then
        return nil
      end
      local field = fields[i]
      local found = value[field]
      value = found == nil and value[tonumber(field)] or found
    end
    if value == null then
      return nil
    end
    return value
  end
end

-- A getter and whose it is: 'call' gets (ctx, call), 'node' gets (node). Nil and a message when the
-- text means nothing.
---@param text any
---@return function?
---@return string?  'call' or 'node', which it looks at; or what is wrong
function M.compile(text)
  if type(text) ~= 'string' then
    return nil, ('an operand is a text like attachment.user, got a %s'):format(type(text))
  elseif CALL[text] then
    return function(_, call)
      return call[text]
    end, 'call'
  end
  local kind, name = text:match '^(%a+)%.(.+)$'
  if kind == 'attachment' then
    return function(_, call)
      -- A call we make has none until somebody asks for them; then they are sent.
      local made = type(call) ~= 'table' or rawget(call, 'attachments')
      return made and call.attachments[name]
    end,
      'call'
  elseif kind == 'arg' then
    local get, message = argument(name)
    return get, get and 'call' or message
  elseif kind == 'node' then
    return function(node)
      if NODE[name] then
        return node[name]
      end
      return node.meta[name]
    end,
      'node'
  end
  local known = 'method, interface, alias, arg.N, attachment.NAME or node.NAME'
  return nil, ("'%s' is none of %s"):format(text, known)
end

-- A function (ctx, call) -> value from what a setting gives: a text for something of the call, or the
-- function itself.
---@param given string|function
---@return (fun(ctx: any, call: any): any)?
---@return string? message
function M.of_call(given)
  if type(given) == 'function' then
    return waiting.without('a key function must not wait', given)
  end
  local get, whose = M.compile(given)
  if not get then
    return nil, whose
  elseif whose ~= 'call' then
    return nil, ("'%s' is nothing of the call"):format(given)
  end
  return get
end

return M
