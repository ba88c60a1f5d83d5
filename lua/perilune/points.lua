-- SPDX-License-Identifier: MIT
-- The extension points and their contracts. `fn` says that a plain function is a plugin, `members`
-- what a plugin in table form has, `prompt` that it must not wait. README of lua/ says what each function
-- gets and may do.
local errors = require 'perilune.error'

local function need(kind)
  return { type = kind, required = true }
end
local function may(kind)
  return { type = kind }
end

-- For points whose plugins are functions and nothing else.
local function only(contract)
  return function(instance)
    return type(instance) == 'table' and 'is a table; ' .. contract or nil
  end
end

-- What the core speaks; nothing where there is no core.
local function protocols()
  local inside, core = pcall(require, 'perilune.core')
  return inside and core.protocols and core.protocols() or {}
end

local SIDES = { provider = true, consumer = true, attempt = true, both = true }
local OTHERWISE = { none = true, all = true, error = true }

---@type perilune.plugin.Point[]
return {
  {
    -- function(ctx, call, next) -> result, err; may wait
    name = 'filter',
    layer = 'entry',
    fn = true,
    members = {},
    fields = { side = 'string', default = 'boolean', methods = 'table' },
    adopt = function(spec)
      if spec.side and not SIDES[spec.side] then
        local near = errors.suggest(spec.side, SIDES)
        return ("filter '%s': side '%s' unknown%s"):format(spec.name, spec.side, near)
      end
    end,
    builtin = {
      'access_log',
      'auth',
      'authorization',
      'breaker',
      'cache',
      'concurrency',
      'exception',
      'fault',
      'generic',
      'ip',
      'limiter',
      'method_list',
      'mock',
      'signature',
      'timeout',
      'token',
      'trace',
      'validation',
    },
    check = only 'a filter is function(ctx, call, next)',
  },
  {
    -- function(request) -> identity, or nil and why not; request has interface, alias, type and
    -- attributes; may wait
    name = 'authenticator',
    layer = 'entry',
    fn = true,
    members = {},
    builtin = { 'token', 'signature' },
    fields = { present = 'function' },
    check = only 'an authenticator is function(request)',
  },
  {
    -- function(ctx, call, aliases) -> alias (nil = any), or { choose = that }; must not wait; or
    -- { invoke = function(ctx, call, send, aliases) -> result, err }, send(alias, patience) waits
    name = 'group',
    layer = 'entry',
    prompt = { 'choose' },
    fn = true,
    members = { choose = may 'function', invoke = may 'function' },
    builtin = { 'by_argument', 'failover' },
    default = 'by_argument',
  },
  {
    -- function(event), or { listen = that }; see perilune.events; may wait
    name = 'listener',
    layer = 'entry',
    fn = true,
    members = { listen = need 'function' },
    builtin = { 'log' },
  },
  {
    -- function(ctx, call) -> who calls, or nil when nobody can tell; must not wait
    name = 'identity',
    layer = 'entry',
    prompt = true,
    fn = true,
    members = {},
    builtin = { 'attachment', 'caller', 'peer', 'session' },
    default = 'session',
    check = only 'an identity is function(ctx, call)',
  },
  {
    -- function(ctx, call, identity) -> true, or nil and why not; may wait
    name = 'authorizer',
    layer = 'entry',
    fn = true,
    members = {},
    builtin = { 'rules' },
    default = 'rules',
    check = only 'an authorizer is function(ctx, call, identity)',
  },
  {
    -- function(args, fill) -> failures, or nil when all is well; `fill` says that defaults are written
    -- into args; must not wait
    name = 'validator',
    layer = 'entry',
    prompt = true,
    fn = true,
    members = {},
    builtin = { 'schema' },
    default = 'schema',
    check = only 'a validator is function(args, fill)',
  },
  {
    -- { get = function(key) -> entry, set = function(key, entry, ttl_ms, bytes), remove =
    -- function(key) }; may wait
    name = 'cache',
    layer = 'entry',
    members = { get = need 'function', set = need 'function', remove = need 'function' },
    builtin = { 'lru' },
    default = 'lru',
  },
  {
    -- function(ctx, call) -> key, or nil when this call is not to be cached; must not wait
    name = 'cache_key',
    layer = 'entry',
    prompt = true,
    fn = true,
    members = {},
    builtin = { 'arguments', 'fields' },
    default = 'arguments',
    check = only 'a cache key is function(ctx, call)',
  },
  {
    -- function(key, rule, ctx) -> ms to wait before the call may go on, or nil and ms after which to try again;
    -- must not wait itself
    name = 'limiter',
    layer = 'entry',
    prompt = true,
    fn = true,
    members = {},
    builtin = { 'leaky_bucket', 'token_bucket' },
    default = 'token_bucket',
    check = only 'a limiter is function(key, rule, ctx)',
  },
  {
    -- { allow = function(state, now) -> true, or nil and ms until it may; done = function(state, now,
    -- outcome, turns) }: decides on a table that the filter keeps; turns = state.turns when the call was
    -- allowed; must not wait
    name = 'breaker',
    layer = 'entry',
    prompt = true,
    members = { allow = need 'function', done = need 'function' },
    builtin = { 'window' },
    default = 'window',
  },
  {
    -- function(ctx, call, err) -> result, err: answers instead of the service; may wait
    name = 'mock',
    layer = 'entry',
    fn = true,
    members = {},
    builtin = { 'fixed' },
    default = 'fixed',
    check = only 'a mock is function(ctx, call, err)',
  },
  {
    -- function(service): prepares a service before it is listed, in each worker; may wait
    name = 'warmup',
    layer = 'entry',
    fn = true,
    members = {},
    builtin = { 'repeat_calls' },
    check = only 'a warm-up is function(service)',
  },
  {
    -- { where = 'worker' or 'pool' }: the threads that run a method's chain and handler
    name = 'executor',
    layer = 'entry',
    members = { where = need 'string' },
    builtin = { 'inline', 'pool' },
    default = 'inline',
    check = function(instance)
      if instance.where ~= 'worker' and instance.where ~= 'pool' then
        return ("member 'where' must be 'worker' or 'pool', got '%s'"):format(instance.where)
      end
    end,
  },
  {
    -- function(ctx, call, nodes) -> nodes, or an indexed rule; must not wait
    name = 'selector',
    layer = 'cluster',
    prompt = true,
    fn = true,
    members = {
      by = { type = 'any', required = true },
      want = need 'function',
      otherwise = may 'string',
    },
    builtin = { 'tag', 'argument', 'sampling', 'region_first', 'conditions' },
    check = function(rule)
      if type(rule) == 'function' then
        return nil
      elseif type(rule.by) ~= 'function' and type(rule.by) ~= 'string' then
        return "member 'by' must be a function of a node or the name of a meta field"
      elseif rule.otherwise and not OTHERWISE[rule.otherwise] then
        return ("otherwise must be 'none', 'all' or 'error', got '%s'"):format(rule.otherwise)
      end
    end,
  },
  {
    -- function(ctx, call, nodes, send) -> result, err; owns the attempts; may wait
    name = 'router',
    layer = 'cluster',
    fn = true,
    members = { route = need 'function', failed = may 'function', fanout = may 'boolean' },
    builtin = { 'failover', 'failfast', 'failsafe', 'forking', 'broadcast', 'pinpoint' },
    default = 'failover',
  },
  {
    -- function(ctx, call, err) -> boolean: may what failed like this be tried again? must not wait
    name = 'retry_predicate',
    layer = 'cluster',
    prompt = true,
    fn = true,
    members = {},
    builtin = { 'retryable', 'not_run' },
    default = 'retryable',
    check = only('a predicate is function(ctx, call, err)'),
  },
  {
    -- function(ctx, call, nodes, tried) -> nodes for another attempt; must not wait
    name = 'retry_target',
    layer = 'cluster',
    prompt = true,
    fn = true,
    members = {},
    builtin = { 'other', 'same', 'other_region' },
    default = 'other',
    check = only('a target is function(ctx, call, nodes, tried)'),
  },
  {
    -- function(ctx, call, nodes) -> node, or { pick = that, done = function(ctx, call, node, err) };
    -- must not wait
    name = 'loadbalance',
    layer = 'cluster',
    prompt = true,
    fn = true,
    members = { pick = need 'function', done = may 'function' },
    builtin = {
      'p2c',
      'random_weight',
      'round_robin',
      'weighted_round_robin',
      'least_active',
      'consistent_hash',
      'sticky',
      'local_first',
      'adaptive',
    },
    default = 'p2c',
  },
  {
    -- function(entries, want) -> entries: which of the known nodes this worker connects to
    name = 'candidate',
    layer = 'cluster',
    prompt = true,
    fn = true,
    members = { choose = need 'function' },
    builtin = { 'subset', 'all', 'region' },
    default = 'subset',
  },
  {
    -- function(age, weight) -> weight of a provider that has been up for `age` ms; must not wait
    name = 'slow_start',
    layer = 'cluster',
    prompt = true,
    fn = true,
    members = {},
    builtin = { 'linear' },
    default = 'linear',
    check = only 'a slow start is function(age, weight)',
  },
  {
    -- see perilune.cluster.Registry in lua/perilune/cluster/registry.lua; may wait
    name = 'registry',
    layer = 'cluster',
    members = {
      subscribe = need 'function',
      unsubscribe = may 'function',
      register = may 'function',
      deregister = may 'function',
      close = need 'function',
    },
    fields = { check = 'function', notes = 'boolean' },
    builtin = { 'memory', 'fixed', 'file' },
    default = 'memory',
  },
  {
    -- { id, encode = function(value) -> bytes, decode = function(bytes) -> value }; must not wait
    name = 'serializer',
    layer = 'protocol',
    members = { encode = need 'function', decode = need 'function', id = need 'number' },
    adopt = function(spec)
      local ok, message = require('perilune.core').serializer_add(spec)
      return not ok and message or nil
    end,
    builtin = { 'json', 'msgpack', 'raw', 'hessian2', 'hessian2@dubbo', 'protostuff' },
    default = 'msgpack',
  },
  {
    -- made in C (src/perilune.h); bodies are compressed before a script could look at them
    name = 'compression',
    layer = 'protocol',
    members = {},
    adopt = function(spec)
      return ("compression '%s': compressions are C plugins; see perilune.h"):format(spec.name)
    end,
    builtin = { 'lz4', 'zstd', 'snappy', 'zlib', 'gzip', 'lzma', 'lz4f', 'snappyf' },
  },
  {
    -- made in C, within the core (src/protocol/protocol.h)
    name = 'protocol',
    layer = 'protocol',
    members = {},
    adopt = function(spec)
      return ("protocol '%s': protocols are part of the core; see src/protocol"):format(spec.name)
    end,
    builtin = protocols(),
  },
  {
    -- function(args) -> exit code; a subcommand of the binary
    name = 'command',
    layer = 'cli',
    fn = true,
    members = { run = need 'function', help = may 'string', parser = may 'function' },
    builtin = {
      'run',
      'call',
      'bench',
      'check',
      'config',
      'test',
      'status',
      'reload',
      'fibers',
      'repl',
      'plugins',
      'new',
      'types',
      'completion',
      'manual',
      'version',
    },
  },
}
