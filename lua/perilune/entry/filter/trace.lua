-- SPDX-License-Identifier: MIT
-- W3C trace context in the attachments `traceparent` and `tracestate`. A provider takes up the caller's
-- trace, a consumer hands on that of the call it works for; who has none (or a malformed one) begins
-- one. `ctx.trace` is { trace_id, span_id, parent_id, flags, state, map }.
--
--   perilune.export { ..., trace = true }        perilune.refer { ..., trace = true }
--   perilune.refer { ..., trace = { joyrpc = true } }
--
-- JoyRPC's peers have a trace map in the attachment `_trace`, which Java hands on to what it calls.
-- One that came is `ctx.trace.map` and goes on with nested calls, `traceparent` in it; `joyrpc` sends
-- it with calls for which none came. Its entry `id` gives the trace id where there is no traceparent.
local perilune = require 'perilune'

local function hex(digits)
  local parts = {}
  for i = 1, digits / 8 do
    parts[i] = bit.tohex(perilune.random(0x7fffffff) * 2 + perilune.random(2) - 1)
  end
  return table.concat(parts)
end

local ZERO_TRACE, ZERO_SPAN = ('0'):rep(32), ('0'):rep(16)

-- The parts of a traceparent, or nil. A version we do not know may say more after what we read.
---@param text any
---@return string? trace_id
---@return string? span_id
---@return integer? flags
local function parse(text)
  if type(text) ~= 'string' or #text < 55 then
    return nil
  end
  local version, trace_id, span_id, flags, rest = text:match '^(%x%x)%-(%x+)%-(%x+)%-(%x%x)(.*)$'
  local sound = version
    and text:sub(1, 55) == text:sub(1, 55):lower()
    and version ~= 'ff'
    and #trace_id == 32
    and #span_id == 16
    and trace_id ~= ZERO_TRACE
    and span_id ~= ZERO_SPAN
    and (rest == '' or version ~= '00' and rest:sub(1, 1) == '-')
  if sound then
    return trace_id, span_id, tonumber(flags, 16)
  end
end

local function child(of, parent_id)
  return {
    trace_id = of.trace_id or hex(32),
    span_id = hex(16),
    parent_id = parent_id,
    flags = of.flags or 1,
    state = of.state,
    map = of.map,
  }
end

local SCALARS = { string = true, number = true, boolean = true }

-- What a peer says is the trace map, without what cannot be part of one; nil when there is none.
---@param given any
---@return table<string, string|number|boolean>?
local function map_of(given)
  if type(given) ~= 'table' then
    return nil
  end
  local map = {}
  for key, value in pairs(given) do
    if type(key) == 'string' and SCALARS[type(value)] then
      map[key] = value
    end
  end
  return next(map) ~= nil and map or nil
end

-- Java's trace id as W3C has it: up to 32 hexadecimal digits, with dashes if it is a UUID.
local function id_of(text)
  local digits = type(text) == 'string' and text:gsub('%-', ''):lower() or ''
  if #digits > 32 or not digits:match '^%x+$' or digits:match '^0+$' then
    return nil
  end
  return ('0'):rep(32 - #digits) .. digits
end

local function receive(ctx, call, conf)
  local attachments = call.attachments
  local map = map_of(attachments._trace)
  local from = attachments
  local trace_id, span_id, flags = parse(attachments.traceparent)
  if not trace_id and map then
    from = map
    trace_id, span_id, flags = parse(map.traceparent)
  end
  local state = trace_id and type(from.tracestate) == 'string' and from.tracestate or nil
  trace_id = trace_id or map and id_of(map[conf.id])
  ctx.trace = child({ trace_id = trace_id, flags = flags, state = state, map = map }, span_id)
end

local function send(ctx, call, conf)
  local of = ctx.trace or {}
  local trace = child(of, of.span_id)
  local attachments = call.attachments
  ctx.trace = trace
  attachments.traceparent = ('00-%s-%s-%02x'):format(trace.trace_id, trace.span_id, trace.flags)
  attachments.tracestate = trace.state
  if trace.map or conf.joyrpc then
    local map = map_of(trace.map) or {}
    map.traceparent, map.tracestate = attachments.traceparent, trace.state
    attachments._trace = map
  end
end

return {
  name = 'trace',
  side = 'both',
  schema = {
    id = {
      type = 'string',
      default = 'traceId',
      help = "entry of JoyRPC's trace map: its trace id",
    },
    joyrpc = { type = 'boolean', help = "send JoyRPC's trace map even when none came" },
  },
  new = function(conf)
    return function(ctx, call, next)
      if ctx.side == 'provider' then
        receive(ctx, call, conf)
      else
        send(ctx, call, conf)
      end
      return next(ctx, call)
    end
  end,
}
