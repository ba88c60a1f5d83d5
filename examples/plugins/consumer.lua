-- SPDX-License-Identifier: MIT
local perilune = require 'perilune'
require 'plugins'

local registry = ...
local auth = { 'word', word = 'sesame', name = 'ali' }

local echo = perilune.refer {
  interface = 'demo.Echo',
  registry = registry,
  aliases = { 'short', 'long' },
  group = 'by_length',
  retry_target = 'untried',
  auth = auth,
}
local words = perilune.refer {
  interface = 'demo.Words',
  registry = registry,
  candidate = 'two',
  slow_start = 'step',
  serialization = 'words',
}
local stranger = perilune.refer {
  interface = 'demo.Echo',
  alias = 'short',
  registry = registry,
  auth = { 'word', word = 'please' },
  timeout = 200,
}
local listed = perilune.refer {
  interface = 'demo.Echo',
  registry = 'list://?at=joyrpc://127.0.0.1:1',
  timeout = 200,
}

perilune.on('words.turned', 'told')

perilune.main(function()
  print('authenticator, group:', perilune.check(echo:say 'moon'))
  print('retry_target:', select(2, echo:again 'planet'))
  local turned = perilune.check(words:turn('one', 'other'))
  print('serializer:', table.concat(turned, ' '))
  perilune.publish('words.turned', { what = turned[1] })
  print('authenticator:', select(2, stranger:say 'moon'))
  print('registry:', select(2, listed:say 'moon'))
  perilune.sleep(0)
  return 0
end)
