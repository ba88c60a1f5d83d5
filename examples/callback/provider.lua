-- SPDX-License-Identifier: MIT
-- A function among the arguments is something the handler can call: at once, or as long as the
-- consumer is connected.
local perilune = require 'perilune'

local name, url, registry = ...

local listeners = {}

perilune.export {
  interface = 'demo.News',
  registry = registry,
  service = {
    subscribe = function(_, topic, listener)
      listeners[#listeners + 1] = { topic = topic, tell = listener }
      return name .. ' has ' .. #listeners .. ' listener'
    end,
    publish = function(_, topic, text)
      local told = 0
      for i = #listeners, 1, -1 do
        local listener = listeners[i]
        if listener.topic == topic then
          local answer, err = listener.tell(text) -- waits for the consumer's function
          if err then
            table.remove(listeners, i) -- released, or gone
          else
            print('a listener says ' .. answer)
            told = told + 1
          end
        end
      end
      return told
    end,
  },
}
perilune.listen(url)
