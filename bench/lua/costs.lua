-- SPDX-License-Identifier: MIT
-- What pieces of filters cost inside one VM, as one JSON object: decoding a five-field table from
-- MessagePack, validating what was decoded, and a whole call that the filter cache answers. Each loop is a
-- function of its own, as callers' are.

local core = require 'perilune.core'
local perilune = require 'perilune'

local ROUNDS, COUNT = 9, 20000

local value = { id = 12345, name = 'a name', ratio = 0.25, flag = true, tags = { 'a', 'b', 'c' } }
local bytes = assert(core.encode({ value }, 'msgpack'))
local validate = assert(perilune.use('validator', {
  'schema',
  args = {
    {
      type = 'table',
      fields = {
        id = { type = 'integer', min = 1 },
        name = { type = 'string', min = 1, max = 64 },
        ratio = { type = 'number', min = 0, max = 1 },
        flag = { type = 'boolean' },
        tags = { type = 'list', max = 8, items = { type = 'string' } },
      },
    },
  },
}))

perilune.filter('answers', function()
  return 'an answer'
end)

local function proxy(...)
  return perilune.refer {
    interface = 'bench.Costs',
    url = 'joyrpc://127.0.0.1:1',
    check = false,
    filters = { ... },
  }
end

-- ns of one turn of `body`, the least of the rounds.
local function cost(body, env)
  local text = 'local env, count = ... local decode, bytes, validate, proxy, decoded = env.decode, '
    .. 'env.bytes, env.validate, env.proxy, env.decoded for i = 1, count do %s end'
  local run = assert(loadstring(text:format(body)))
  local least = math.huge
  for _ = 1, ROUNDS do
    local began = perilune.hrtime()
    run(env, COUNT)
    least = math.min(least, (perilune.hrtime() - began) * 1e6 / COUNT)
    perilune.sleep(0)
  end
  return least
end

perilune.main(function()
  local env = { decode = core.decode, bytes = bytes, validate = validate, decoded = {} }
  for i = 0, 63 do
    env.decoded[i] = core.decode(bytes, 'msgpack')
  end
  local decode = cost("local args = decode(bytes, 'msgpack')", env)
  local validated = cost("if validate(decoded[i % 64]) then error 'wrong' end", env)
  env.proxy = proxy({ 'cache', ttl = 1e9 }, 'answers')
  local cached = cost("proxy:f 'key'", env)
  print(core.encode {
    decode_ns = decode,
    validate_ns = validated,
    cache_hit_us = cached / 1000,
  })
  return 0
end)
