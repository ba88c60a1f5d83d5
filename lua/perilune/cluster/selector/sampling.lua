-- SPDX-License-Identifier: MIT
-- A share of the calls goes to marked nodes, the others to the rest: a canary. With `key` the same
-- users stay in the sample, and stay in it when `percent` grows.
--   selectors = { { 'sampling', percent = 5, by = 'version', value = 'v2', key = 'attachment.user' } }
local policy = require 'perilune.policy'

return {
  name = 'sampling',
  schema = {
    percent = {
      type = 'number',
      required = true,
      min = 0,
      max = 100,
      help = 'of the calls go to marked nodes',
    },
    by = { type = 'string', required = true, help = 'meta field that marks the nodes' },
    value = { type = 'string', required = true, help = 'its value on marked nodes' },
    key = { type = 'any', help = "'attachment.user', 'arg.1.id' or function(ctx, call)" },
    salt = { type = 'string', default = '', help = 'draws another sample of the same keys' },
  },
  new = function(conf)
    local key_of, message
    if conf.key ~= nil then
      key_of, message = policy.value(conf.key)
      if not key_of then
        return nil, 'key: ' .. message
      end
    end
    local function marked(node)
      return node.meta[conf.by] == conf.value
    end
    return function(ctx, call, nodes)
      local key = key_of and policy.text(key_of(ctx, call))
      local at = key and policy.hash(conf.salt .. key) or policy.random()
      local group = nodes:where(marked, at * 100 < conf.percent)
      return #group > 0 and group or nodes
    end
  end,
}
