-- SPDX-License-Identifier: MIT
-- The call names its node: by an attachment, or by the setting `node`. One attempt.
--   perilune.with(service, { attachments = { ['.pinpoint'] = '10.0.0.7:22000' } }):drop_cache()
local policy = require 'perilune.policy'

return {
  name = 'pinpoint',
  schema = {
    attachment = { type = 'string', default = '.pinpoint', help = 'attachment with the address' },
    node = { type = 'string', help = 'address for calls that name none' },
    by = { type = 'string', default = 'address', help = "'address', or a meta field of the node" },
  },
  new = function(conf)
    return function(ctx, call, nodes, send)
      local wanted = call.attachments[conf.attachment] or conf.node
      if wanted == nil then
        local text = "pinpoint: the call names no node; put one into attachment '%s'"
        return nil, policy.error('BAD_REQUEST', text:format(conf.attachment))
      end
      local found = nodes:where(conf.by, wanted)
      if #found == 0 then
        local text = "pinpoint: '%s' is none of the %d nodes that are ready"
        return nil, policy.error('NO_NODE', text:format(tostring(wanted), #nodes))
      end
      return send(found:pick(ctx, call))
    end
  end,
}
