-- SPDX-License-Identifier: MIT
-- Lets calls pass by the address they come from. A pattern is an address, a network ('10.0.0.0/8',
-- 'fd00::/8'), a range ('10.0.0.1-10.0.0.9') or '*'; a wrong one refuses to load instead of fitting
-- everything. What is denied is denied, even when it is allowed, too. Peers on this host pass unless
-- `loopback = false`, calls over a unix socket and inside the process always.
--
--   ip = { '10.0.0.0/8', '::1' }                    ip = { deny = { '10.0.9.0/24' } }
local perilune = require 'perilune'
local address = require 'perilune.address'

local REMEMBERED = 10000 -- peers whose verdict is kept

local function judge_of(conf)
  local allow, deny, message
  if not conf.allow and not conf.deny then
    return nil, 'says nothing: give it allow or deny'
  end
  deny, message = address.matcher(conf.deny or {})
  if not deny then
    return nil, 'deny: ' .. message
  end
  allow, message = address.matcher(conf.allow or { '*' })
  if not allow then
    return nil, 'allow: ' .. message
  elseif conf.allow and #conf.allow == 0 then
    return nil, 'allow is empty: nobody could call'
  end
  return function(peer)
    local bytes = address.parse(address.of_peer(peer) or '')
    return bytes ~= nil and not deny(bytes) and allow(bytes)
  end
end

local function remembering(judge)
  local verdicts, count = {}, 0
  return function(peer)
    local verdict = verdicts[peer]
    if verdict == nil then
      if count >= REMEMBERED then
        verdicts, count = {}, 0
      end
      verdict = judge(peer)
      verdicts[peer], count = verdict, count + 1
    end
    return verdict
  end
end

-- A unix socket and a call inside the process have no address, but are on this host.
local HERE = { unix = true, inproc = true }

return {
  name = 'ip',
  side = 'provider',
  schema = {
    allow = { type = 'list', help = 'patterns of addresses that may call' },
    deny = { type = 'list', help = 'patterns of addresses that may not' },
    loopback = { type = 'boolean', default = true, help = 'peers on this host pass' },
  },
  new = function(conf)
    local judge, message = judge_of(conf)
    if not judge then
      return nil, message
    end
    judge = remembering(judge)
    local refused = perilune.counter 'perilune_refused_addresses'
    return function(ctx, call, next)
      if not (conf.loopback and ctx.is_local) then
        local peer = ctx.peer
        if not (HERE[peer] or judge(peer)) then
          refused()
          local from = address.of_peer(peer) or peer
          return nil,
            perilune.error('FORBIDDEN', ('calls from %s are not allowed here'):format(from))
        end
      end
      return next(ctx, call)
    end
  end,
}
