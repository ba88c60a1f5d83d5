-- SPDX-License-Identifier: MIT
-- One short plugin for each point that the other examples leave out.
local perilune = require 'perilune'

-- Says who opens a session, or nil and why it may not. May wait.
perilune.authenticator('word', function(request)
  if request.attributes.word == 'sesame' then
    return request.attributes.name
  end
  return nil, 'that is not the word'
end)

-- Says which alias a call goes to. Must not wait.
perilune.group('by_length', function(_, call)
  return #call.args[1] > 4 and 'long' or 'short'
end)

-- Hears of events. May wait.
perilune.listener('told', function(event)
  print('told:', event.name, event.what)
end)

-- Says where another attempt may go. Must not wait.
perilune.retry_target('untried', function(_, _, nodes, tried)
  return nodes:filter(function(node)
    for _, other in ipairs(tried) do
      if other == node then
        return false
      end
    end
    return true
  end)
end)

-- Says which of the listed nodes this worker connects to. Must not wait.
perilune.candidate('two', function(entries, want)
  local ranked = want.ranked(entries)
  return { ranked[1], ranked[2] }
end)

-- Says how much of its weight a provider of this age (ms) has. Must not wait.
perilune.slow_start('step', function(age, weight)
  return age < 60000 and weight / 10 or weight
end)

-- Writes one value as bytes and reads it. Both ends register it with the same id. Must not wait.
perilune.serializer {
  name = 'words',
  id = 61,
  encode = function(value)
    return type(value) == 'table' and table.concat(value, ' ') or tostring(value)
  end,
  decode = function(bytes)
    local words = perilune.array {}
    for word in bytes:gmatch '%S+' do
      words[#words + 1] = word
    end
    return words
  end,
}

-- Tells who provides what: list://?at=joyrpc://127.0.0.1:1,joyrpc://127.0.0.1:2
perilune.registry {
  name = 'list',
  schema = { at = { type = 'string', required = true } },
  new = function(conf)
    local entries = {}
    for url in conf.at:gmatch '[^,]+' do
      entries[#entries + 1] = { url = url }
    end
    return {
      subscribe = function(_, _, on_change)
        on_change { version = 1, entries = entries }
        return true
      end,
      close = function() end,
    }
  end,
}
