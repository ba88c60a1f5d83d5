-- SPDX-License-Identifier: MIT
-- Every comparison: groups of subjects that are measured in turn in one run, and the cases read
-- from them. A case says what it measures of which subject, against what, and the ratios wanted.

local make = require 'case'
local servers = require 'servers'
local subjects = require 'subjects'

local loaded = make.loaded
local client = make.client
local memory = make.memory
local cpu = make.cpu
local kib = make.kib

local OPEN_RATE = 50000
local BESIDE_RATE = 10000
local MANY = 100000
local IDLE = 5000

local saturated = {
  name = 'saturated',
  subjects = {
    loaded('floor', 'floor'),
    loaded('perilune', 'perilune'),
    loaded('redis', 'redis'),
    loaded('tarantool', 'tarantool'),
    loaded('no filters', 'perilune', { filters = 0 }),
    loaded('waits once', 'perilune', nil, '--method', 'w0', '--methods', 0),
    loaded('100 methods', 'perilune', { methods = 100 }, '--methods', 100),
    loaded('1000 methods', 'perilune', { methods = 1000 }, '--methods', 1000),
    loaded('million tables', 'perilune', { ballast = 1000000 }),
  },
  cases = {
    cpu('echo, floor', 'perilune', 'floor', 2.5, 2.0),
    cpu('echo, redis', 'perilune', 'redis', 1.2, 1.0),
    cpu('echo, tarantool', 'perilune', 'tarantool', 0.5, 0.4),
    cpu('100 methods', '100 methods', 'perilune', 1.5, 1.2, 'one method'),
    cpu('1000 methods', '1000 methods', 'perilune', 1.5, 1.2, 'one method'),
    cpu('waits once', 'waits once', 'perilune', 1.5, 1.35, 'no wait'),
    cpu('five filters', 'perilune', 'no filters', 1.15, 1.05),
    cpu('million tables', 'million tables', 'perilune', 2.0, 1.5, 'empty heap'),
  },
}

local STRING = { '--serializer', 'msgpack', '--kind', 'msgpack-str' }
local MAP = { '--serializer', 'msgpack', '--kind', 'msgpack-map' }
local JSON = { '--serializer', 'json', '--kind', 'json-map' }

local values = {
  name = 'values',
  subjects = {
    loaded('floor, string', 'floor', nil, unpack(STRING)),
    loaded('string', 'perilune', nil, unpack(STRING)),
    loaded('floor, map', 'floor', nil, unpack(MAP)),
    loaded('map', 'perilune', nil, unpack(MAP)),
    loaded('floor, JSON', 'floor', nil, unpack(JSON)),
    loaded('JSON', 'perilune', nil, unpack(JSON)),
  },
  cases = {
    cpu('msgpack string', 'string', 'floor, string', 3.0, 2.4),
    cpu('msgpack map', 'map', 'floor, map', 6, 4),
    cpu('JSON map', 'JSON', 'floor, JSON', 8, 6),
  },
}

local open = {
  name = 'open load',
  rounds = 5,
  subjects = {
    loaded('floor', 'floor', nil, '--rate', OPEN_RATE),
    loaded('perilune', 'perilune', nil, '--rate', OPEN_RATE),
  },
  cases = {
    cpu('open load, CPU', 'perilune', 'floor', 1.3, 1.2),
    {
      case = 'open load, p99',
      metric = 'p99 us',
      of = { 'perilune', 'p99_us' },
      against = { 'floor', 'p99_us' },
      must = 2,
      aim = 1.25,
      pairs = true,
    },
  },
}

-- The same echo of a stock Java consumer, to its own framework and to us, in the worker or in an executor.
local function echoed(name, kind, options, protocol)
  return loaded(name, kind, options, '--protocol', protocol, unpack(servers.ECHO))
end

local BURN = { burn = 100 }

local executors = {
  name = 'executors',
  rounds = 5,
  subjects = {
    loaded('inline', 'perilune'),
    loaded('pool', 'perilune', { executor = 'pool' }),
    echoed('inline, joyrpc', 'perilune', { script = 'java.lua' }, 'joyrpc'),
    echoed('pool, joyrpc', 'perilune', { script = 'java.lua', executor = 'pool' }, 'joyrpc'),
    loaded('quiet', 'perilune', nil, '--rate', BESIDE_RATE),
    loaded('burning', 'perilune', BURN, '--rate', BESIDE_RATE),
    {
      name = 'another burns',
      server = 'perilune',
      measure = function(server)
        return subjects.load_beside(server, { '--rate', BESIDE_RATE })
      end,
    },
  },
  cases = {
    cpu('executor, echo', 'pool', 'inline', 2.0, 1.5),
    cpu('executor, joyrpc echo', 'pool, joyrpc', 'inline, joyrpc', 2.0, 1.5),
    {
      case = 'executor, p99 beside burning',
      metric = 'p99 us',
      of = { 'burning', 'p99_us' },
      against = { 'quiet', 'p99_us' },
      peer = 'nothing burns',
      must = 2,
      aim = 1.25,
      pairs = true,
    },
    {
      case = 'executor, p99 beside another process',
      metric = 'p99 us',
      of = { 'burning', 'p99_us' },
      against = { 'another burns', 'p99_us' },
      must = 2,
      aim = 1.25,
      pairs = true,
    },
  },
}

local KIB = { '--bytes', 1024 }
local KIB64 = { '--bytes', 65536, '--depth', 8 }

local sizes = {
  name = 'sizes',
  subjects = {
    loaded('floor, 1 KiB', 'floor', nil, unpack(KIB)),
    loaded('1 KiB', 'perilune', nil, unpack(KIB)),
    loaded('floor, 64 KiB', 'floor', nil, unpack(KIB64)),
    loaded('64 KiB', 'perilune', nil, unpack(KIB64)),
  },
  cases = {
    cpu('1 KiB 8x32', '1 KiB', 'floor, 1 KiB', 1.4, 1.25),
    cpu('64 KiB 8x8', '64 KiB', 'floor, 64 KiB', 1.4, 1.25),
  },
}

local calling = {
  name = 'client',
  subjects = {
    client('64 in flight', { in_flight = 64 }),
    client('100k in flight', { in_flight = MANY }),
  },
  cases = {
    {
      case = 'client 1x64',
      metric = 'client CPU us/call',
      of = { '64 in flight', 'client_cpu_us' },
      against = { '64 in flight', 'server_cpu_us' },
      peer = 'its server',
      must = 1.5,
      aim = 1.0,
    },
    {
      case = 'client 100k in flight, CPU',
      metric = 'client CPU us/call',
      of = { '100k in flight', 'client_cpu_us' },
      against = { '64 in flight', 'client_cpu_us' },
      must = 2.5,
      aim = 2.0,
    },
  },
}

local held = {
  name = 'memory',
  fresh = true,
  subjects = {
    {
      name = 'client',
      server = 'perilune',
      options = { patient = true },
      measure = function(server)
        return subjects.client_memory(server, MANY)
      end,
    },
    memory('no filters', { filters = 0 }, '--hold', MANY),
    memory('five filters', { filters = 5 }, '--hold', MANY),
    memory('idle', nil, '--idle', IDLE),
  },
  cases = {
    kib('client 100k in flight, memory', 'client', 1.5, 1),
    kib('100k handlers wait, no filters', 'no filters', 1.25, 1),
    kib('100k handlers wait, five filters', 'five filters', 2, 1.5),
    kib('idle connection', 'idle', 2, 0.75),
  },
}

-- Every node is an address of its own on loopback, and all of them are the one server.
local function chooser(name, count)
  return client(
    name,
    { script = 'choose.lua', listen = 'tcp://0.0.0.0:0', in_flight = 1, nodes = count }
  )
end

local nodes = {
  name = 'nodes',
  subjects = {
    chooser('10 nodes', 10),
    chooser('10 000 nodes', 10000),
  },
  cases = {
    {
      case = 'choose among 10 000 nodes',
      metric = 'client CPU us/choice',
      of = { '10 000 nodes', 'client_cpu_us' },
      against = { '10 nodes', 'client_cpu_us' },
      must = 1.5,
      aim = 1.25,
    },
  },
}

local function policies_of(name, count)
  return {
    name = name,
    server = 'perilune',
    options = { listen = 'tcp://0.0.0.0:0' },
    measure = function(server)
      return subjects.policies(server, count)
    end,
  }
end

-- What a choice costs among ten nodes against the plainest one, `nodes[1]`, and among ten thousand
-- against ten: no policy may walk the list.
local function policy_cases()
  local cases = {}
  local function add(case, metric, figure, against, must, aim, peer)
    cases[#cases + 1] = {
      case = case,
      metric = metric,
      of = figure,
      against = against,
      peer = peer,
      must = must,
      aim = aim,
    }
  end
  for _, name in ipairs {
    'p2c',
    'round_robin',
    'random_weight',
    'least_active',
    'consistent_hash',
    'weighted_round_robin',
    'sticky',
    'local_first',
    'adaptive',
    'tag',
    'argument',
    'sampling',
    'region_first',
    'conditions',
  } do
    local ns = name .. '_ns'
    local cost = { '10 nodes, policies', ns }
    add(name, 'CPU ns/choice', cost, { '10 nodes, policies', 'none_ns' }, 100, 40, 'nodes[1]')
    local large = { '10 000 nodes, policies', ns }
    -- A heap costs the logarithm of the nodes, in cold memory.
    local must, aim = 8, 3
    if name == 'weighted_round_robin' then
      must, aim = 20, 10
    end
    add(name .. ', 10 000 nodes', 'CPU ns/choice', large, cost, must, aim, '10 nodes')
  end
  local plain = { '10 nodes, policies', 'failfast_call_ns' }
  for name, must in pairs {
    failover = 1.3,
    failsafe = 2,
    pinpoint = 2,
    telling = 1.6,
    ejecting = 1.3,
    forking = 7,
    broadcast = 22, -- ten nodes
  } do
    local cost = { '10 nodes, policies', name .. '_call_ns' }
    add(name .. ' calls', 'CPU ns/call', cost, plain, must, must * 0.8, 'failfast')
  end
  table.sort(cases, function(a, b)
    return a.case < b.case
  end)
  return cases
end

local policies = {
  name = 'policies',
  subjects = {
    policies_of('10 nodes, policies', 10),
    policies_of('10 000 nodes, policies', 10000),
  },
  cases = policy_cases(),
}

local timers = {
  name = 'timers',
  subjects = { { name = 'timers', measure = subjects.timers } },
  cases = {
    {
      case = 'arm + cancel, 100k outstanding',
      metric = 'CPU ns',
      of = { 'timers', 'wheel_ns' },
      against = { 'timers', 'uv_timer_ns' },
      peer = 'uv_timer',
      must = 1 / 20,
      aim = 1 / 50,
    },
  },
}

local javas = {
  name = 'java',
  subjects = {
    echoed('perilune, joyrpc', 'perilune', { script = 'java.lua' }, 'joyrpc'),
    echoed('JoyRPC 1.4.7', 'java', { module = 'joyrpc' }, 'joyrpc'),
    echoed('perilune, dubbo', 'perilune', { script = 'java.lua' }, 'dubbo'),
    echoed('Dubbo 2.7', 'java', { module = 'dubbo2' }, 'dubbo'),
    echoed('Dubbo 3.2', 'java', { module = 'dubbo3' }, 'dubbo'),
  },
  cases = {
    cpu('joyrpc echo, Java', 'perilune, joyrpc', 'JoyRPC 1.4.7', 1 / 5, 1 / 10),
    cpu('dubbo echo, Java 2.7', 'perilune, dubbo', 'Dubbo 2.7', 1 / 5, 1 / 10),
    cpu('dubbo echo, Java 3.2', 'perilune, dubbo', 'Dubbo 3.2', 1 / 5, 1 / 10),
  },
}

local function hessian(name)
  return {
    name = name,
    measure = function()
      return subjects.hessian(name)
    end,
  }
end

local function hessian_case(work, peer, must, aim)
  return {
    case = ('hessian %s, %s'):format(work, peer),
    metric = 'CPU us/value',
    of = { 'perilune', work .. '_us' },
    against = { peer, work .. '_us' },
    must = must,
    aim = aim,
  }
end

local hessians = {
  name = 'hessian',
  subjects = { hessian 'perilune', hessian 'caucho', hessian 'hessian.js' },
  cases = {
    hessian_case('decode', 'caucho', 1 / 1.5, 1 / 3),
    hessian_case('encode', 'caucho', 1 / 1.5, 1 / 3),
    hessian_case('decode', 'hessian.js', 1 / 10, 1 / 20),
    hessian_case('encode', 'hessian.js', 1 / 10, 1 / 20),
  },
}

local workers = {
  name = 'workers',
  subjects = {
    loaded('one worker', 'perilune', { workers = 1 }),
    loaded('two workers', 'perilune', { workers = 2 }),
  },
  cases = { cpu('two workers, same load', 'two workers', 'one worker', 1.1, 1.05) },
}

-- Three loads one after the other; what is compared comes from the same run.
local overload = {
  name = 'overload',
  subjects = {
    {
      name = 'overload',
      server = 'perilune',
      options = { script = 'overload.lua' },
      measure = subjects.overload,
    },
  },
  cases = {
    {
      case = 'overload goodput',
      metric = 'calls/s possible',
      of = { 'overload', 'capacity' },
      against = { 'overload', 'goodput' },
      peer = 'goodput at 3 x',
      must = 1 / 0.8,
      aim = 1 / 0.9,
      pairs = true,
    },
    {
      case = 'overload rejection cost',
      metric = 'server CPU us/rejection',
      of = { 'overload', 'refusal_us' },
      against = { 'overload', 'handled_us' },
      peer = 'handled call',
      must = 1 / 40,
      aim = 1 / 100,
    },
    {
      case = 'overload recovery',
      metric = 'p99 us a second after',
      of = { 'overload', 'p99_after_us' },
      against = { 'overload', 'p99_before_us' },
      peer = 'before',
      must = 2,
      aim = 1.25,
      pairs = true,
    },
  },
}

---@type bench.Group[]
return {
  saturated,
  values,
  require 'filter_cases',
  open,
  executors,
  sizes,
  calling,
  held,
  nodes,
  policies,
  timers,
  hessians,
  javas,
  workers,
  overload,
  require 'reload_cases',
}
