-- SPDX-License-Identifier: MIT
-- A cache key is a string, or nil for a call that is not to be cached. It must not wait.
local perilune = require 'perilune'

perilune.cache_key('language', function(_, call)
  return call.attachments.language
end)

-- A store is { get, set, remove }; this one forgets after three entries, the oldest first.
perilune.cache {
  name = 'three',
  new = function()
    local entries, order = {}, {}
    return {
      get = function(key)
        return entries[key]
      end,
      set = function(key, entry)
        if entries[key] == nil then
          order[#order + 1] = key
        end
        entries[key] = entry
        if #order > 3 then
          entries[table.remove(order, 1)] = nil
        end
      end,
      remove = function(key)
        entries[key] = nil
      end,
    }
  end,
}
