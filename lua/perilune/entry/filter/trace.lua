-- SPDX-License-Identifier: MIT
-- W3C trace context in the attachments `traceparent` and `tracestate`. A provider takes up the caller's
-- trace, a consumer hands on that of the call it works for; who has none (or a malformed one) begins
-- one. `ctx.trace` is { trace_id, span_id, parent_id, flags, state }.
--
--   perilune.export { ..., trace = true }        perilune.refer { ..., trace = true }
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

local function child(trace_id, parent_id, flags, state)
  return {
    trace_id = trace_id or hex(32),
    span_id = hex(16),
    parent_id = parent_id,
    flags = flags,
    state = state,
  }
end

local function receive(ctx, call)
  local attachments = call.attachments
  local trace_id, span_id, flags = parse(attachments.traceparent)
  local state = trace_id and type(attachments.tracestate) == 'string' and attachments.tracestate
    or nil
  ctx.trace = child(trace_id, span_id, flags or 1, state)
end

local function send(ctx, call)
  local of = ctx.trace or {}
  local trace = child(of.trace_id, of.span_id, of.flags or 1, of.state)
  ctx.trace = trace
  call.attachments.traceparent = ('00-%s-%s-%02x'):format(
    trace.trace_id,
    trace.span_id,
    trace.flags
  )
  call.attachments.tracestate = trace.state
end

return {
  name = 'trace',
  side = 'both',
  schema = {},
  new = function()
    return function(ctx, call, next)
      if ctx.side == 'provider' then
        receive(ctx, call)
      else
        send(ctx, call)
      end
      return next(ctx, call)
    end
  end,
}
