-- SPDX-License-Identifier: MIT
-- What each policy costs: BENCH_NODES nodes, each an address of its own on loopback that leads to the
-- one server of BENCH_URL, all of them connected. A router runs one policy after the other, many
-- times for one call, and sends nothing; routers are timed by real calls. Prints one line of JSON
-- with the CPU time of each in ns.

local perilune = require 'perilune'

local count = tonumber(os.getenv 'BENCH_NODES') or 10
local port = os.getenv('BENCH_URL'):match ':(%d+)$'
local IN_FLIGHT = 32
local window = (tonumber(os.getenv 'BENCH_WINDOW_MS') or 2000) / 1000

local function addresses()
  local list = {}
  for i = 1, count do
    local high, low = math.floor(i / 250), i % 250 + 1
    local meta = ('version=v%d&region=r%d&name=n%d'):format(i % 5, i % 3, i)
    list[i] = ('joyrpc://127.1.%d.%d:%s?%s'):format(high, low, port, meta)
  end
  return list
end

local policy = perilune.policy

local function balancer(ref)
  local instance = assert(policy.use('loadbalance', ref))
  return function(ctx, call, nodes)
    return instance.pick(ctx, call, nodes)
  end
end

local function selector(ref)
  local compiled = assert(require('perilune.cluster.selector').compile { ref })
  return compiled[1].select
end

local zone = { 'in', 'node.version', { 'v1', 'v2' } }
local subjects = {
  {
    'none',
    function(_, _, nodes)
      return nodes[1]
    end,
  },
  { 'p2c', balancer 'p2c' },
  { 'round_robin', balancer 'round_robin' },
  { 'random_weight', balancer 'random_weight' },
  { 'adaptive', balancer 'adaptive' },
  { 'least_active', balancer 'least_active' },
  { 'consistent_hash', balancer 'consistent_hash' },
  { 'weighted_round_robin', balancer 'weighted_round_robin' },
  { 'sticky', balancer 'sticky' },
  { 'local_first', balancer 'local_first' },
  { 'tag', selector { 'tag', key = 'version', value = 'v1' } },
  { 'argument', selector { 'argument', of = 'arg.1', by = 'name' } },
  { 'sampling', selector { 'sampling', percent = 5, by = 'version', value = 'v1', key = 'arg.1' } },
  { 'region_first', selector { 'region_first', region = 'r1' } },
  {
    'conditions',
    selector {
      'conditions',
      rules = {
        { when = { 'and', { 'exists', 'arg.1' }, { '==', 'method', 'm0' } }, use = zone },
      },
    },
  },
} -- stylua: ignore

-- CPU time of one turn of `work` in ns, over a part of the window.
local function timed(work, each)
  local rounds, began = 0, os.clock()
  local limit = window / #subjects
  while true do
    for _ = 1, each do
      work()
    end
    rounds = rounds + each
    local spent = os.clock() - began
    if spent > limit then
      return spent / rounds * 1e9
    end
  end
end

local figures = {}

perilune.router('measure', function(ctx, call, nodes)
  if call.method == 'm0' then
    for _, subject in ipairs(subjects) do
      local choose = subject[2]
      local function work()
        return choose(ctx, call, nodes)
      end
      timed(work, 10) -- what is built once per list, and traces
      figures[subject[1] .. '_ns'] = timed(work, 100)
    end
  end
  return #nodes
end)

local function refer(options)
  options.interface, options.alias, options.url = 'bench.Echo', 'bench', addresses()
  options.candidate, options.connections, options.timeout = 'all', count, 60000
  return perilune.refer(options)
end

local probe = refer { router = 'measure' }

local ROUTERS = {
  failfast = 'failfast',
  failover = 'failover',
  failsafe = 'failsafe',
  pinpoint = { 'pinpoint', by = 'name', node = 'n1' },
  forking = { 'forking', forks = 2 },
  broadcast = 'broadcast',
}
local services = {}
for name, router in pairs(count <= 10 and ROUTERS or {}) do
  services[name] = refer { router = router }
end
if count <= 10 then
  services.ejecting = refer { ejection = true }
  services.telling = refer { loadbalance = 'sticky', router = 'failfast' }
end

local function await_nodes()
  for _ = 1, 600 do
    if perilune.check(probe:ready()) >= count then
      return true
    end
    perilune.sleep(100)
  end
end

perilune.main(function()
  if not await_nodes() then
    print 'not all nodes were connected within a minute'
    return 1
  end
  perilune.check(probe:m0 'key 1')
  for name, service in pairs(services) do
    perilune.check(perilune.ready(service, 10000, count))
    local calls = perilune.async(service)
    figures[name .. '_call_ns'] = timed(function()
      local futures = {}
      for i = 1, IN_FLIGHT do
        futures[i] = calls:m0 'x'
      end
      for i = 1, IN_FLIGHT do
        perilune.check(futures[i]:await())
      end
    end, 5) / IN_FLIGHT
  end
  local fields = {}
  for name, ns in pairs(figures) do
    fields[#fields + 1] = ('"%s": %.3f'):format(name, ns)
  end
  print('{' .. table.concat(fields, ', ') .. '}')
  return 0
end)
