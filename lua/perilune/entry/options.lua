-- SPDX-License-Identifier: MIT
-- What declarations take, as schemas: checked when declared, shown by documentation and `did you
-- mean`. Options of a method win over those of the interface, those over perilune.defaults.
local errors = require 'perilune.error'
local generation = require 'perilune.generation'
local plugin = require 'perilune.plugin'
local retry = require 'perilune.cluster.retry'
local schemas = require 'perilune.schema'

local M = {}

local NAME = '^[%w_.$%-]+$'
local ALIAS = '^[%w_.:%-]*$'

-- Options that switch built-in filters on: of methods, exports and refers alike. entry/filters.lua says
-- what a value that is no table of settings stands for.
local FILTERS = {
  trace = { type = 'any' },
  access_log = { type = 'any' },
  exception = { type = 'any' },
  slow = { type = 'any', help = 'ms; calls that take longer are logged' },
  signature = { type = 'table', help = 'calls are signed: settings of the filter signature' },
  authorization = { type = 'any', help = 'who may call what: rules, or an authorizer' },
  ip = { type = 'any', help = 'addresses that may call, or { allow, deny }' },
  method_list = { type = 'any', help = 'methods that may be called, or { allow, deny }' },
  mock = { type = 'any', help = "'always' or 'fail', or settings of the filter mock" },
  limiter = { type = 'any', help = 'calls per second, rules, or settings of the filter limiter' },
  validation = { type = 'any', help = 'rules of the arguments, or settings of the filter' },
  cache = { type = 'any', help = 'ms a result is good, or settings of the filter cache' },
  breaker = { type = 'any', help = 'true, or settings of the filter breaker' },
  fault = { type = 'any', help = 'faults to inject: settings of the filter fault' },
}

M.method = {
  timeout = { type = 'integer', min = 1, help = 'ms a call may take' },
  idempotent = { type = 'boolean', help = 'may be sent again when its fate is unknown' },
  concurrency = { type = 'integer', min = 1, help = 'most calls at once in the process' },
  retries = { type = 'integer', min = 0, max = 100, help = 'attempts after the first' },
  attempt_timeout = { type = 'any', help = "ms of one attempt, a list, 'share', 'half' or 'left'" },
  retry_on = { type = 'any', help = 'error codes and predicates of failures to repeat' },
  retry_target = { type = 'any', help = 'where to repeat them' },
  body = { type = 'boolean', help = 'the handler takes the undecoded body' },
  filters = { type = 'list' },
  attempt_filters = { type = 'list' },
  router = { type = 'any' },
  loadbalance = { type = 'any' },
}

M.export = {
  interface = { type = 'string', required = true, min = 1, max = 255, pattern = NAME },
  alias = { type = 'string', default = '', max = 255, pattern = ALIAS },
  service = { type = 'table', required = true, help = 'method name -> handler' },
  methods = { type = 'table', default = {}, help = 'options by method name' },
  filters = { type = 'list', default = {} },
  include = { type = 'list', help = 'only these methods' },
  exclude = { type = 'list', help = 'all but these methods' },
  timeout = { type = 'integer', min = 1 },
  concurrency = { type = 'integer', min = 1 },
  body = { type = 'boolean' },
  int64 = { type = 'string', enum = { 'number', 'cdata', 'string' }, default = 'number' },
  registry = { type = 'any', help = 'URL of a registry, or a list of them' },
  register = { type = 'boolean', default = true },
  delay = { type = 'integer', min = 0, default = 0, help = 'ms between listening and registering' },
  weight = { type = 'integer', min = 0, max = 10000, default = 100 },
  meta = { type = 'table', default = {}, help = 'fields that selectors see as node.meta' },
  token = {
    type = 'any',
    help = 'callers must present this token, or one of a table name -> token',
  },
  auth = { type = 'any', help = "authenticator of sessions, such as { 'token', token = ... }" },
  serialization = { type = 'string', help = 'what consumers should prefer' },
  warmup = { type = 'any', help = 'runs in each worker before the service is listed' },
  warmup_timeout = { type = 'integer', min = 1, default = 10000, help = 'ms' },
  warmup_required = { type = 'boolean', default = true, help = 'no start without it' },
}

M.refer = {
  interface = { type = 'string', required = true, min = 1, max = 255, pattern = NAME },
  alias = { type = 'string', default = '', max = 255, pattern = ALIAS },
  url = { type = 'any', help = 'one address, a list, or addresses separated by commas' },
  registry = { type = 'any' },
  selectors = { type = 'list', default = {} },
  candidate = { type = 'any', default = 'subset' },
  connections = { type = 'integer', min = 1, default = 100, help = 'nodes one worker connects to' },
  router = { type = 'any', default = 'failover' },
  loadbalance = { type = 'any', default = 'p2c' },
  retries = { type = 'integer', min = 0, max = 100, default = 1 },
  timeout = { type = 'integer', min = 1, default = 5000 },
  attempt_timeout = { type = 'any', help = "ms of one attempt, a list, 'share', 'half' or 'left'" },
  retry_on = { type = 'any', help = 'error codes and predicates of failures to repeat' },
  retry_target = { type = 'any', help = 'where to repeat them' },
  idempotent = { type = 'boolean' },
  methods = { type = 'table', default = {} },
  filters = { type = 'list', default = {} },
  attempt_filters = { type = 'list', default = {} },
  serialization = { type = 'string' },
  compression = { type = 'string' },
  check = { type = 'boolean', default = true, help = 'fail when no provider is there at start' },
  connect_timeout = { type = 'integer', min = 1, default = 5000 },
  attachments = { type = 'table', default = {}, help = 'sent with each call' },
  token = { type = 'string', help = 'presented to the provider with each call' },
  auth = { type = 'table', help = "presented once with the session: { 'token', token = ... }" },
  tag = { type = 'any' },
  slow_start = { type = 'any', help = "true, or { 'linear', duration = 60000 }" },
  ejection = { type = 'any', help = 'true, or when and for how long to leave out failing nodes' },
  retry_budget = { type = 'any', help = 'false, or { ratio = 0.2, per_second = 10 }' },
  concurrency = {
    type = 'integer',
    min = 1,
    help = 'most calls at once of one worker; others wait',
  },
  int64 = { type = 'string', enum = { 'number', 'cdata', 'string' }, default = 'number' },
}

M.listen = {
  url = { type = 'string', required = true },
  protocols = { type = 'list' },
  tls = { type = 'table' },
  auth = { type = 'any' },
}

for name, rule in pairs(FILTERS) do
  M.method[name], M.export[name], M.refer[name] = rule, rule, rule
end
M.refer.authorization, M.refer.ip, M.refer.exception = nil, nil, nil
M.export.breaker = nil

local defaults = {} -- by generation

-- What perilune.defaults said in the generation of the code that asks.
local function own_defaults()
  local number = generation.number()
  defaults[number] = defaults[number] or {}
  return defaults[number]
end

-- Forgets what a generation said.
---@param number integer
function M.drop(number)
  defaults[number] = nil
end

-- perilune.defaults{...}: values for every later declaration that does not say otherwise.
function M.set_defaults(spec)
  local place = plugin.place()
  for key in pairs(spec) do
    if not (M.export[key] or M.refer[key]) then
      local known = {}
      for _, set in ipairs { M.export, M.refer } do
        for name in pairs(set) do
          known[name] = true
        end
      end
      local near = errors.suggest(tostring(key), known)
      error(("%s: defaults: unknown setting '%s'%s"):format(place, tostring(key), near), 0)
    end
    own_defaults()[key] = spec[key]
  end
end

-- A checked copy of `spec` with defaults; raises with the caller's place.
---@param kind 'export'|'refer'|'listen'
---@param spec table
---@return table
function M.check(kind, spec)
  local place = plugin.place()
  local title = ("%s: %s '%s'"):format(
    place,
    kind,
    tostring(type(spec) == 'table' and (spec.interface or spec.url) or spec)
  )
  if type(spec) ~= 'table' then
    error(('%s: %s needs a table'):format(place, kind), 0)
  end
  local with_defaults = {}
  for key, value in pairs(own_defaults()) do
    if M[kind][key] then
      with_defaults[key] = value
    end
  end
  for key, value in pairs(spec) do
    with_defaults[key] = value
  end
  local result, wrong = schemas.apply(M[kind], with_defaults)
  if not result then
    error(('%s: %s'):format(title, wrong), 0)
  end
  for name, options in pairs(result.methods or {}) do
    local checked, bad = schemas.apply(M.method, type(options) == 'table' and options or {})
    if type(name) ~= 'string' or not checked then
      error(('%s: methods.%s: %s'):format(title, tostring(name), bad or 'name must be a string'), 0)
    end
    bad = retry.check_timeout(checked.attempt_timeout)
    if bad then
      error(('%s: methods.%s: %s'):format(title, name, bad), 0)
    end
    result.methods[name] = checked
  end
  result.place, result.title = place, title
  return result
end

return M
