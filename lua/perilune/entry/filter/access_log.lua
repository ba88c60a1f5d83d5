-- SPDX-License-Identifier: MIT
-- One log line for each call, after it: who asked for what, how it ended, how long it took.
--
--   perilune.export { ..., access_log = true }
--   filters = { { 'access_log', level = 'debug' } }
local perilune = require 'perilune'

---@param ctx perilune.Context
---@param call perilune.Call
local function fields_of(ctx, call, began, err)
  local fields = {
    service = call.interface,
    method = call.method,
    code = err == nil and 'OK' or perilune.error_of(err).code,
    ms = perilune.hrtime() - began,
    trace = ctx.trace and ctx.trace.trace_id or nil,
  }
  if call.alias ~= '' then
    fields.alias = call.alias
  end
  if ctx.side == 'provider' then
    fields.peer, fields.identity = ctx.peer, ctx.identity
    fields.waited, fields.bytes = ctx.waited, call.body:len()
  end
  return fields
end

return {
  name = 'access_log',
  side = 'both',
  schema = {
    level = {
      type = 'string',
      enum = { 'debug', 'info', 'warn' },
      default = 'info',
      help = 'of the lines in the log',
    },
  },
  new = function(conf)
    local write = perilune.log[conf.level]
    return function(ctx, call, next)
      local began = perilune.hrtime()
      local result, err = next(ctx, call)
      write('call', fields_of(ctx, call, began, err), 'ACCESS')
      return result, err
    end
  end,
}
