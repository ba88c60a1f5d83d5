-- SPDX-License-Identifier: MIT
-- What the caller says of itself in an attachment. Anybody can say anything: good for counting, not for
-- letting in.
return {
  name = 'attachment',
  schema = { name = { type = 'string', default = 'app', min = 1, help = 'of the attachment' } },
  new = function(conf)
    local name = conf.name
    return function(_, call)
      local value = call.attachments[name]
      return type(value) == 'string' and value ~= '' and value or nil
    end
  end,
}
