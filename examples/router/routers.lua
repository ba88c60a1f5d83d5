-- SPDX-License-Identifier: MIT
-- A router owns the attempts of a call: `send` makes one and waits, `nodes:pick` asks the balancer.
local perilune = require 'perilune'

-- Asks the preferred node first and another only when that takes too long: `send` with a time.
perilune.router {
  name = 'impatient',
  schema = { patience = { type = 'number', min = 1, default = 50, help = 'ms' } },
  new = function(conf)
    return function(ctx, call, nodes, send)
      local first = nodes:where('name', 'slow'):pick(ctx, call) or nodes:pick(ctx, call)
      local result, err = send(first, conf.patience)
      if err and err.code == 'TIMEOUT' then
        return send(nodes:where('name', 'quick'):pick(ctx, call))
      end
      return result, err
    end
  end,
}

-- Which failures may be repeated, beside error codes.
perilune.retry_predicate('no_disk', function(ctx, call, err)
  return err.message:find('no disk', 1, true) ~= nil
end)
