-- SPDX-License-Identifier: MIT
-- The paths of every call must be compiled whole: the interpreter is several times slower there.
local inside = require('spec.support.vm').inside

describe('the provider chain', function()
  for _, count in ipairs { 0, 1, 5, 12 } do
    local text = ([[
      local traces = require 'spec.support.traces'
      local function pass(ctx, call, next)
        return next(ctx, call)
      end
      local filters = {}
      for i = 1, %d do
        filters[i] = pass
      end
      for method, args in pairs { none = {}, one = { 1 }, two = { 1, 2 }, body = { 1 } } do
        local service = {
          none = function() return 1 end,
          one = function(_, a) return a end,
          two = function(_, a, b) return a or b end,
          body = function(_, b) return b end,
        }
        local proxy, interface = serve(service, { filters = filters, methods = { body = { body = true } } })
        perilune.ready(proxy)
        local function load()
          local futures = {}
          for i = 1, 32 do
            futures[i] = perilune.async(proxy)[method](proxy, unpack(args))
          end
          for i = 1, 32 do
            futures[i]:await()
          end
        end
        -- Where traces begin is a matter of luck, what becomes of them is not.
        local chain, whole = 'chain ' .. interface .. '.' .. method, false
        for _ = 1, 8 do
          local seen = traces.record(load, 40)
          assert.same({}, traces.bad(seen, chain))
          whole = whole or traces.compiled(seen, chain)
        end
        assert(whole, method .. ': no trace of the whole chain')
      end
    ]]):format(count)
    it(('of %d filters is one trace'):format(count), inside(loadstring(text, '=chain_spec')))
  end
end)

describe('the consumer chain', function()
  it(
    'around a dispatch is one trace',
    inside(function()
      local traces = require 'spec.support.traces'
      local chains = require 'perilune.entry.chain'
      local function pass(ctx, call, next)
        return next(ctx, call)
      end
      for _, count in ipairs { 0, 5 } do
        local filters = {}
        for i = 1, count do
          filters[i] = { name = 'pass', fn = pass }
        end
        local run = chains.consumer('demo.Client' .. count, filters, function(_, call)
          return call.args
        end)
        local ctx, call = {}, { args = 1 }
        local seen = traces.record(function()
          for _ = 1, 200 do
            run(ctx, call)
          end
        end, 5)
        assert.is_true(traces.compiled(seen, 'chain_spec.lua'))
        assert.same({}, traces.bad(seen, 'call demo.Client' .. count, 'chain_spec.lua'))
      end
    end)
  )
end)

describe('a call through a proxy', function()
  for _, count in ipairs { 0, 1, 5 } do
    local text = ([[
      package.preload['perilune.cluster.cluster'] = nil
      package.loaded['perilune.cluster.cluster'] = nil
      local traces = require 'spec.support.traces'
      local filters = {}
      for i = 1, %d do
        filters[i] = function(ctx, call, next)
          return next(ctx, call)
        end
      end
      local proxy, interface = serve({ echo = function(_, a) return a end }, nil, {
        filters = filters,
        selectors = { { by = function() return 'x' end, want = function() return 'x' end } },
      })
      perilune.check(perilune.ready(proxy))
      local function load(i)
        for n = 1, 8 do
          if proxy:echo(n + i) ~= n + i then
            error 'not what was sent'
          end
        end
      end
      -- Compiled as far as the wait, which is a stitch, and from there on; where traces begin is luck.
      local title, before, after, rounds = 'call ' .. interface .. '.echo', false, false, 0
      while rounds < 10 and not (before and after) do
        rounds = rounds + 1
        local seen, bad = traces.record(load, 12), {}
        for _, trace in ipairs(seen) do
          local ours = trace.start:find(title, 1, true)
          local stitch = trace.what == 'ends in stitch'
          before = before or stitch
          after = after or ours and trace.after
          if ours and trace.bad and not stitch then
            bad[#bad + 1] = trace.at .. ': ' .. trace.what
          end
        end
        assert.same({}, bad)
      end
      assert(before, 'the way to the wait is not compiled')
      assert(after, 'what follows the wait is not compiled')
    ]]):format(count)
    it(
      ('with %d filters is compiled on both sides of the wait'):format(count),
      inside(loadstring(text, '=call_spec'))
    )
  end
end)

describe('choosing a node', function()
  it(
    'by the built-in balancers is one trace',
    inside(function()
      local traces = require 'spec.support.traces'
      local node_of = require 'perilune.cluster.node'
      local nodes_of = require 'perilune.cluster.nodes'
      local plugin = require 'perilune.plugin'
      for _, name in ipairs { 'p2c', 'round_robin', 'random_weight' } do
        local instance = plugin.use('loadbalance', name)
        local pick = type(instance) == 'function' and instance or instance.pick
        local list = {}
        for i = 1, 10 do
          list[i] = node_of.new { address = '127.0.0.1:' .. i, meta = { version = 'v' .. i % 2 } }
        end
        local nodes = nodes_of.new(list, pick)
        local call, n = { method = 'hello' }, 0
        local seen = traces.record(function()
          for _ = 1, 200 do
            local node = nodes:where('version', 'v1'):pick({}, call)
            n = n + (node and 1 or 0)
          end
        end, 5)
        assert.equal(1000, n)
        assert.is_true(traces.compiled(seen, 'chain_spec.lua'), name)
        assert.same({}, traces.bad(seen, 'chain_spec.lua', 'loadbalance', 'nodes.lua'))
      end
    end)
  )
end)

describe('a call that a filter answers', function()
  it(
    'out of the cache is one trace, whatever its filters look at',
    inside(function()
      local traces = require 'spec.support.traces'
      local proxy = perilune.refer {
        interface = 'demo.Kept',
        url = 'joyrpc://127.0.0.1:1',
        check = false,
        filters = {
          { 'cache', ttl = 1e9 },
          function()
            return 'an answer'
          end,
        },
      }
      local function ask()
        for _ = 1, 200 do
          assert(proxy:f 'key' == 'an answer')
        end
      end
      proxy:f 'key' -- what is kept now is only looked up below
      local parts = { 'chain_spec.lua', 'call demo.Kept.f', 'cache', 'outgoing.lua', 'arguments' }
      -- Where traces begin is a matter of luck, what becomes of them is not.
      local whole = false
      for _ = 1, 8 do
        local seen = traces.record(ask, 5)
        assert.same({}, traces.bad(seen, unpack(parts)))
        whole = whole or traces.compiled(seen, 'chain_spec.lua')
      end
      assert.is_true(whole)
    end)
  )
end)
