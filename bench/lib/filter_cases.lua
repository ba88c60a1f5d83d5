-- SPDX-License-Identifier: MIT
-- Each built-in filter against none, on a five-field map; and what the issue asks of single ones, measured
-- in one VM by lua/costs.lua.

local make = require 'case'
local subjects = require 'subjects'

local cpu, loaded = make.cpu, make.loaded

local function filtered(name)
  return loaded(
    name,
    'perilune',
    { filters = 0, builtin = name },
    '--serializer',
    'msgpack',
    '--kind',
    'msgpack-map'
  )
end

local function filter_cost(name, must, aim)
  return cpu('filter ' .. name, name, 'none', must, aim, 'no filter')
end

---@type bench.Group
return {
  name = 'filters',
  subjects = {
    filtered 'none',
    filtered 'validation',
    filtered 'cache',
    filtered 'limiter',
    filtered 'callers',
    filtered 'breaker',
    filtered 'method_list',
    filtered 'ip',
    filtered 'authorization',
    filtered 'fault',
    filtered 'mock',
    filtered 'trace',
    filtered 'all',
    loaded('echo', 'perilune', { filters = 0 }),
    { name = 'costs', measure = subjects.costs },
  },
  cases = {
    filter_cost('validation', 1.5, 1.25),
    filter_cost('cache', 2, 1.5),
    filter_cost('limiter', 1.5, 1.25),
    filter_cost('callers', 1.75, 1.5),
    filter_cost('breaker', 1.5, 1.25),
    filter_cost('method_list', 1.25, 1.1),
    filter_cost('ip', 1.25, 1.1),
    filter_cost('authorization', 1.25, 1.1),
    filter_cost('fault', 1.25, 1.1),
    filter_cost('mock', 1.25, 1.1),
    filter_cost('trace', 2, 1.5),
    cpu('all default filters', 'all', 'none', 1.5, 1.25, 'no filter'),
    {
      case = 'validate five fields',
      metric = 'CPU ns',
      of = { 'costs', 'validate_ns' },
      against = { 'costs', 'decode_ns' },
      peer = 'decode them',
      must = 0.5,
      aim = 0.25,
    },
    {
      case = 'cache hit',
      metric = 'CPU us',
      of = { 'costs', 'cache_hit_us' },
      against = { 'echo', 'server_cpu_us' },
      peer = 'echo, server',
      must = 0.5,
      aim = 0.4,
    },
  },
}
