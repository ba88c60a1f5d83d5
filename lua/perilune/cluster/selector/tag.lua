-- SPDX-License-Identifier: MIT
-- Calls with attachment `tag` go to nodes that registered the same tag; calls without one to all.
--   selectors = { { 'tag', key = 'zone', otherwise = 'all' } }
return {
  name = 'tag',
  schema = {
    key = { type = 'string', default = 'tag', help = 'meta field of the node' },
    attachment = { type = 'string', help = 'attachment of the call; default: the key' },
    value = { type = 'string', help = 'tag of calls without the attachment' },
    otherwise = {
      enum = { 'none', 'all', 'error' },
      default = 'none',
      help = 'when no node has the value',
    },
  },
  new = function(conf)
    local attachment = conf.attachment or conf.key
    return {
      by = conf.key,
      want = function(_, call)
        local given = call.attachments
        return given and given[attachment] or conf.value
      end,
      otherwise = conf.otherwise,
    }
  end,
}
