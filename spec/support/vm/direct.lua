-- SPDX-License-Identifier: MIT
-- A cluster of one node for specs of the entry layer: connects on the first call, tries once.
local core = require 'perilune.core'
local errors = require 'perilune.error'
local exceptions = require 'perilune.protocol.java_exception'

local M = {}
local Direct = {}
Direct.__index = Direct

function M.open(refer)
  local self = setmetatable({ refer = refer }, Direct)
  self.attempt = function(ctx, call)
    return self:send(ctx, call)
  end
  return self
end

function Direct:connect()
  local code, message
  self.conn, code, message = core.connect(self.refer.url, {
    on_close = function()
      self.conn, self.session = nil, nil
    end,
  })
  if not self.conn then
    return nil, errors.new(code, message)
  end
  local session
  local auth = self.refer.auth
  if auth and auth.fresh then
    auth = { type = auth.type, attributes = auth.fresh(self.refer.alias) }
  end
  session, code, message = core.session(self.conn, {
    interface = self.refer.interface,
    alias = self.refer.alias,
    serialization = self.refer.serialization,
    compression = self.refer.compression,
    auth = auth,
  })
  if not session then
    if self.conn then
      core.disconnect(self.conn, 'CLOSED')
    end
    return nil, errors.new(code, message)
  end
  self.session = session
  return true
end

function Direct:send(ctx, call)
  if not self.session then
    local ok, err = self:connect()
    if not ok then
      return nil, err
    end
  end
  local done, a, b, c, d = core.request(
    self.conn,
    self.session.id,
    call.method,
    call.args,
    ctx:left(),
    call.attachments,
    call.flags
  )
  if done then
    ctx.reply = b
    return a
  end
  ctx.reply = d
  if type(c) == 'table' then
    return nil, exceptions.attach(errors.new(a, b, { outcome = c[1] }), c[2])
  end
  return nil, errors.new(a, b, { outcome = c })
end

function Direct:dispatch(ctx, call)
  return self.attempt(ctx, call, { address = self.refer.url })
end

Direct.prepare = Direct.dispatch

function Direct:ready()
  if self.session then
    return true
  end
  return self:connect()
end

function Direct:close()
  if self.conn then
    core.disconnect(self.conn, 'CLOSED')
  end
end

return M
