-- SPDX-License-Identifier: MIT
-- Options of the bench's server that switch built-in filters on, by the name of the subject. `map` suits
-- the argument of the kind msgpack-map.

local map = {
  {
    type = 'table',
    fields = {
      id = { type = 'integer', min = 0 },
      name = { type = 'string', max = 200 },
      price = { type = 'number', min = 0 },
      active = { type = 'boolean' },
      tags = { type = 'list', max = 10, items = { type = 'string' } },
    },
  },
}

local LOCAL = { allow = { '127.0.0.0/8', '::1' }, deny = { '10.0.0.0/8' }, loopback = false }
local SECRET = 'a secret for the bench'

local options = {
  none = {},
  validation = { validation = map },
  cache = { cache = { ttl = 3600000, capacity = 1000 } },
  limiter = { limiter = { rate = 1e9 } },
  callers = { limiter = { rate = 1e9, by = { 'caller', 'method' } } },
  breaker = { filters = { 'breaker' } },
  method_list = { method_list = { allow = { 'm*' }, deny = { 'x*' } } },
  ip = { ip = LOCAL },
  authorization = { authorization = { { method = 'x*', allow = false }, { method = 'm*' } } },
  fault = { fault = { abort = 'ABORTED', percent = 0, lasts = 3600000 } },
  mock = { mock = { mode = 'fail', result = 1 } },
  trace = { trace = true },
  slow = { slow = 1000 },
  exception = { exception = true },
  token = { token = SECRET },
}

-- What a careful service would have: everything that guards, nothing that answers instead.
options.all = {
  exception = true,
  ip = LOCAL,
  method_list = options.method_list.method_list,
  authorization = options.authorization.authorization,
  limiter = { rate = 1e9 },
  slow = 1000,
}

return options
