-- SPDX-License-Identifier: MIT
-- What declarations take, as schemas: checked when declared, shown by documentation and `did you
-- mean`. Options of a method win over those of the interface, those over perilune.defaults.
local elsewhere = require 'perilune.entry.elsewhere'
local errors = require 'perilune.error'
local generation = require 'perilune.generation'
local plugin = require 'perilune.plugin'
local retry = require 'perilune.cluster.retry'
local schemas = require 'perilune.schema'

local M = {}

-- What only JoyRPC's consumers see of an export.
local JOYRPC = {
  start_time = {
    type = 'string',
    enum = { 'real', 'ramped' },
    default = 'real',
    help = "'ramped': told so that their warm-up ends at once",
  },
}

local NAME = '^[%w_.$%-]+$'
M.ALIAS = '^[%w_.:%-]*$'

-- Options that switch built-in filters on: of methods, exports and refers alike. entry/filters.lua says
-- what a value that is no table of settings stands for.
local FILTERS = {
  trace = { type = 'any', help = 'true, or settings of the filter trace' },
  access_log = { type = 'any', help = 'true: a line for each call; or settings of the filter' },
  exception = { type = 'any', help = 'true, or settings of the filter exception' },
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
  executor = { type = 'any', help = "'pool': handlers run in threads of their own" },
  filters = { type = 'list', help = 'names, { name, key = value }, functions; outermost first' },
  attempt_filters = { type = 'list', help = 'the same, around each attempt' },
  router = { type = 'any', help = 'who makes the attempts' },
  loadbalance = { type = 'any', help = 'who chooses the node of an attempt' },
}

-- Whose service it is, for those who provide and those who call it.
local INTERFACE = {
  type = 'string',
  required = true,
  min = 1,
  max = 255,
  pattern = NAME,
  help = 'name of the service, or what perilune.interface declared',
}
local ALIAS = {
  type = 'string',
  default = '',
  max = 255,
  pattern = M.ALIAS,
  help = 'tells services of one interface apart',
}
local INT64 = {
  type = 'string',
  enum = { 'number', 'cdata', 'string' },
  default = 'number',
  help = 'what integers beyond 2^53 are read as; number: an error',
}

M.export = {
  interface = INTERFACE,
  alias = ALIAS,
  service = { type = 'table', required = true, help = 'method name -> handler' },
  methods = { type = 'table', default = {}, help = 'options by method name' },
  filters = {
    type = 'list',
    default = {},
    help = 'names, { name, key = value } or functions, outermost first',
  },
  include = { type = 'list', help = 'only these methods' },
  exclude = { type = 'list', help = 'all but these methods' },
  timeout = { type = 'integer', min = 1, help = 'ms a call may take at most' },
  concurrency = { type = 'integer', min = 1, help = 'most calls at once in the process' },
  body = { type = 'boolean', help = 'handlers take the undecoded body' },
  executor = { type = 'any', help = "'pool': handlers run in threads of their own" },
  int64 = INT64,
  registry = { type = 'any', help = 'URL of a registry, or a list of them' },
  register = { type = 'boolean', default = true, help = 'list it in the registry' },
  delay = { type = 'integer', min = 0, default = 0, help = 'ms between listening and registering' },
  weight = {
    type = 'integer',
    min = 0,
    max = 10000,
    default = 100,
    help = 'its share of the calls',
  },
  meta = { type = 'table', default = {}, help = 'fields that selectors see as node.meta' },
  token = {
    type = 'any',
    help = 'callers must present this token, or one of a table name -> token',
  },
  auth = { type = 'any', help = "authenticator of sessions, such as { 'token', token = ... }" },
  generic = { type = 'boolean', help = 'takes generic calls whose values are JSON text' },
  serialization = {
    type = 'string',
    help = 'what consumers should prefer; json@cjson: what reads it here',
  },
  joyrpc = { type = 'table', fields = JOYRPC, help = 'what only consumers of JoyRPC are told' },
  warmup = { type = 'any', help = 'runs in each worker before the service is listed' },
  warmup_timeout = { type = 'integer', min = 1, default = 10000, help = 'ms' },
  warmup_required = { type = 'boolean', default = true, help = 'no start without it' },
}

M.refer = {
  interface = INTERFACE,
  alias = ALIAS,
  url = { type = 'any', help = 'one address, a list, or addresses separated by commas' },
  registry = { type = 'any', help = 'URL of a registry, or a list of them' },
  selectors = { type = 'list', default = {}, help = 'who narrows the nodes of a call' },
  candidate = {
    type = 'any',
    default = 'subset',
    help = 'which of the listed nodes one worker connects to',
  },
  connections = { type = 'integer', min = 1, default = 100, help = 'nodes one worker connects to' },
  router = { type = 'any', default = 'failover', help = 'who makes the attempts' },
  loadbalance = { type = 'any', default = 'p2c', help = 'who chooses the node of an attempt' },
  retries = { type = 'integer', min = 0, max = 100, default = 1, help = 'attempts after one' },
  timeout = { type = 'integer', min = 1, default = 5000, help = 'ms a call may take' },
  attempt_timeout = { type = 'any', help = "ms of one attempt, a list, 'share', 'half' or 'left'" },
  retry_on = { type = 'any', help = 'error codes and predicates of failures to repeat' },
  retry_target = { type = 'any', help = 'where to repeat them' },
  idempotent = { type = 'boolean', help = 'calls may be sent again when their fate is unknown' },
  methods = { type = 'table', default = {}, help = 'options by method name' },
  filters = {
    type = 'list',
    default = {},
    help = 'names, { name, key = value } or functions, outermost first',
  },
  attempt_filters = { type = 'list', default = {}, help = 'the same, around each attempt' },
  serialization = {
    type = 'string',
    help = 'of arguments and results: msgpack, json ...',
  },
  compression = { type = 'string', help = 'of larger bodies: lz4, zstd ...' },
  check = {
    type = 'boolean',
    default = false,
    help = 'no start without a provider, for which it waits connect_timeout',
  },
  connect_timeout = { type = 'integer', min = 1, default = 5000, help = 'ms' },
  attachments = { type = 'table', default = {}, help = 'sent with each call' },
  token = {
    type = 'string',
    min = 1,
    secret = true,
    help = 'presented to the provider with each call',
  },
  auth = { type = 'table', help = "presented once with the session: { 'token', token = ... }" },
  tag = { type = 'any', help = 'the selector tag: its value, true, or its settings' },
  slow_start = { type = 'any', help = "true, or { 'linear', duration = 60000 }" },
  ejection = { type = 'any', help = 'true, or when and for how long to leave out failing nodes' },
  aliases = { type = 'list', help = 'a group: calls go to one of these aliases' },
  group = {
    type = 'any',
    help = "which one: { 'by_argument', argument = 1 }, 'failover', a function",
  },
  inproc = {
    type = 'boolean',
    help = 'call what this process exports itself without a connection; default with a registry',
  },
  retry_budget = { type = 'any', help = 'false, or { ratio = 0.2, per_second = 10 }' },
  wait_ready = {
    type = 'boolean',
    default = true,
    help = 'false: calls fail at once while no node is ready or about to be',
  },
  concurrency = {
    type = 'integer',
    min = 1,
    help = 'most calls at once of one worker; others wait',
  },
  int64 = INT64,
}

M.listen = {
  url = { type = 'string', required = true, help = 'tcp://HOST:PORT or unix:///PATH' },
  protocols = { type = 'list', min = 1, help = 'that are spoken there; all of them without it' },
}

for name, rule in pairs(FILTERS) do
  M.method[name], M.export[name], M.refer[name] = rule, rule, rule
end
M.refer.authorization, M.refer.ip, M.refer.exception = nil, nil, nil
M.export.breaker = nil

-- Sections of the configuration by kind of declaration, each options by 'interface' or
-- 'interface:alias'.
M.SECTIONS = { export = 'services', refer = 'references' }

---@class perilune.options.Said  what was said about declarations of one generation
---@field defaults table<string, any>
---@field origins table<string, string>   of the defaults
---@field services? table<string, table>
---@field references? table<string, table>
---@field used table<string, boolean>     'services demo.Greeter'

local said = {} ---@type table<integer, perilune.options.Said>  by generation

-- What was said in the generation of the code that asks.
local function own()
  local number = generation.number()
  said[number] = said[number] or { defaults = {}, origins = {}, used = {} }
  return said[number]
end

-- Forgets what was said in a generation.
---@param number integer
function M.drop(number)
  said[number] = nil
end

-- A schema for options that are given beside a declaration.
local function overlay_schema(kind)
  local schema = {}
  for name, rule in pairs(M[kind]) do
    local copy = {}
    for key, value in pairs(rule) do
      copy[key] = value
    end
    copy.default, copy.required = nil, nil
    schema[name] = copy
  end
  schema.interface, schema.alias, schema.service = nil, nil, nil
  return schema
end

local function known_options()
  local known = {}
  for _, set in ipairs { M.export, M.refer } do
    for name in pairs(set) do
      known[name] = true
    end
  end
  return known
end

-- What every kind of declaration that knows the option says against its value, or nil.
local function wrong_default(key, value)
  local message
  for _, kind in ipairs { 'export', 'refer' } do
    local schema = overlay_schema(kind)
    if schema[key] then
      local ok, wrong = schemas.apply(schema, { [key] = value }, 'defaults.')
      if ok then
        return nil
      end
      message = message or wrong
    end
  end
  return message
end

-- What is wrong with defaults, or nil.
---@param spec table
---@return string? message
function M.check_defaults(spec)
  if type(spec) ~= 'table' then
    return ('defaults are a table of options, got a %s'):format(type(spec))
  end
  local known = known_options()
  for key, value in pairs(spec) do
    if not known[key] then
      local near = errors.suggest(tostring(key), known)
      local wrong = ("unknown setting 'defaults.%s'%s"):format(tostring(key), near)
      return elsewhere.hint('refer', wrong, M)
    end
    local wrong = wrong_default(key, value)
    if wrong then
      return wrong
    end
  end
end

local function set_defaults(spec, origin)
  local mine = own()
  for key, value in pairs(spec) do
    mine.defaults[key], mine.origins[key] = value, origin
  end
end

-- perilune.defaults{...}: values for every later declaration that does not say otherwise.
function M.set_defaults(spec)
  local place = plugin.place()
  local wrong = M.check_defaults(spec)
  if wrong then
    error(('%s: %s'):format(place, wrong), 0)
  end
  set_defaults(spec, place)
end

-- What the configuration says of the declarations of the generation that is loaded next: `defaults`
-- under what scripts say, `services` and `references` over it.
---@param conf table  checked
function M.configure(conf)
  local mine = own()
  set_defaults(conf.defaults or {}, 'configuration: defaults')
  mine.services, mine.references = conf.services, conf.references
end

-- An option of a method that only the other side reads, or nil.
local function misplaced(kind, options)
  for key in pairs(options) do
    if M.method[key] and not M[kind][key] and key ~= 'idempotent' then
      return ("'%s' is an option of %s"):format(key, kind == 'export' and 'refers' or 'exports')
    end
  end
end

local function check_methods(kind, methods, prefix)
  for name, options in pairs(methods or {}) do
    local path = ('%smethods.%s'):format(prefix, tostring(name))
    if type(name) ~= 'string' or type(options) ~= 'table' then
      return path .. ' must be a table of options'
    end
    local _, wrong = schemas.apply(M.method, options, path .. '.')
    wrong = wrong or retry.check_timeout(options.attempt_timeout)
    if not wrong then
      wrong = misplaced(kind, options)
      wrong = wrong and path .. ': ' .. wrong
    end
    if wrong then
      return wrong
    end
  end
end

-- What is wrong with options that the configuration gives for a declaration, or nil.
---@param kind 'export'|'refer'
---@param options table
---@param prefix string  before their names in messages
---@return string? message
function M.check_overlay(kind, options, prefix)
  local _, wrong = schemas.apply(overlay_schema(kind), options, prefix)
  return wrong and elsewhere.hint(kind, wrong, M) or check_methods(kind, options.methods, prefix)
end

-- Interfaces that the configuration has options for and no declaration of this generation.
---@return string[] messages
function M.unmatched()
  local mine, messages, declared = own(), {}, {}
  for _, section in pairs(M.SECTIONS) do
    declared[section] = {}
  end
  for key in pairs(mine.used) do
    local section, name = key:match '^(%S+) (.*)$'
    declared[section][name:match '^(.-):?$'] = true
  end
  for _, section in pairs(M.SECTIONS) do
    for name in pairs(mine[section] or {}) do
      if not mine.used[section .. ' ' .. name] then
        local near = errors.suggest(name, declared[section])
        messages[#messages + 1] = ("%s['%s'] is about nothing here%s"):format(section, name, near)
      end
    end
  end
  table.sort(messages)
  return messages
end

local function merge(result, origins, options, origin)
  for key, value in pairs(options) do
    if key == 'methods' and type(value) == 'table' then
      local methods = {}
      for name, own_options in pairs(result.methods or {}) do
        methods[name] = own_options
      end
      for name, more in pairs(value) do
        local both = {}
        for _, set in ipairs { methods[name] or {}, more } do
          for option, given in pairs(type(set) == 'table' and set or {}) do
            both[option] = given
          end
        end
        methods[name] = both
      end
      result.methods = methods
    else
      result[key] = value
    end
    origins[key] = origin
  end
end

-- What defaults, script and configuration say together, and who said what.
local function gather(kind, spec, place)
  local mine, all, origins = own(), {}, {}
  for key, value in pairs(mine.defaults) do
    if M[kind][key] then
      all[key], origins[key] = value, mine.origins[key]
    end
  end
  for key, value in pairs(spec) do
    all[key], origins[key] = value, place
  end
  local section = M.SECTIONS[kind]
  if section and type(spec.interface) == 'string' then
    for _, name in ipairs { spec.interface, spec.interface .. ':' .. tostring(spec.alias or '') } do
      local options = mine[section] and mine[section][name]
      if options then
        merge(all, origins, options, 'configuration: ' .. section)
      end
      mine.used[section .. ' ' .. name] = true
    end
  end
  return all, origins
end

-- What is wrong with an option, and who said it where that was not the script's declaration.
---@param wrong string  begins with the option's name
---@param origins table<string, string>
---@param place string
---@return string
function M.blame(wrong, origins, place)
  local origin = origins[wrong:match '^[%w_]+']
  return origin and origin ~= place and ('%s (%s)'):format(wrong, origin) or wrong
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
    local wanted = kind == 'listen' and "an address such as 'tcp://0.0.0.0:22000'" or 'a table'
    error(('%s: %s needs %s'):format(place, kind, wanted), 0)
  end
  local all, origins = gather(kind, spec, place)
  local result, wrong = schemas.apply(M[kind], all)
  if not result then
    wrong = M.blame(elsewhere.hint(kind, wrong, M), origins, place)
    error(('%s: %s'):format(title, wrong), 0)
  end
  for name, options in pairs(result.methods or {}) do
    local checked, bad
    if type(name) ~= 'string' then
      bad = 'name must be a string'
    elseif type(options) ~= 'table' then
      bad = ('must be a table of options, got a %s'):format(type(options))
    else
      checked, bad = schemas.apply(M.method, options)
      bad = bad or retry.check_timeout(options.attempt_timeout) or misplaced(kind, options)
    end
    if bad then
      error(('%s: methods.%s: %s'):format(title, tostring(name), bad), 0)
    end
    result.methods[name] = checked
  end
  result.place, result.title, result.origins = place, title, origins
  return result
end

return M
