-- SPDX-License-Identifier: MIT
-- fixed://?urls=joyrpc://a:1,joyrpc://b:1: a list that never changes and provides every service.
local urls = require 'perilune.cluster.url'

return {
  name = 'fixed',
  schema = { urls = { type = 'string', required = true, help = 'addresses, separated by commas' } },
  check = function(conf)
    return select(2, urls.entries(conf.urls))
  end,
  new = function(conf)
    local entries, message = urls.entries(conf.urls)
    if not entries then
      return nil, message
    end
    return {
      register = function()
        return true
      end,
      deregister = function()
        return true
      end,
      subscribe = function(_, _, on_change)
        on_change({ version = 1, entries = entries })
        return entries
      end,
      unsubscribe = function() end,
      close = function() end,
    }
  end,
}
