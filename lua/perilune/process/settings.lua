-- SPDX-License-Identifier: MIT
-- Every setting of a process, limits among them: type, range, default, and what it is for. One is
-- given as a flag where it is among M.flags (--queue-age), as PERILUNE_QUEUE_AGE in the environment,
-- or as queue_age in the configuration file. Bytes may be written with K, M or G behind the number.
-- What is refused because of a limit names it; `perilune status` shows how often each was reached
-- (perilune_limit_hits).
local core = require 'perilune.core'

local M = {}

local KIB, MIB = 2 ^ 10, 2 ^ 20
local DAY = 86400000
local MOST = 2 ^ 32 - 1

-- In the order in which they are shown.
M.list = {
  { 'workers', 'integer', 1, 256, nil, 'worker threads; one per core, one without a listener' },
  {
    'executors',
    'integer',
    0,
    256,
    nil,
    "threads for executor = 'pool'; one per core where an export asks for it",
  },
  {
    'stall_timeout',
    'ms',
    0,
    DAY,
    30000,
    'end the process when a worker is stuck this long; 0 = never',
  },
  { 'executor_stall', 'ms', 0, DAY, 10000, 'log an executor that computes this long; 0 = never' },
  { 'drain_timeout', 'ms', 0, DAY, 30000, 'longest time for calls in progress on SIGTERM' },
  {
    'load_timeout',
    'ms',
    0,
    DAY,
    5000,
    'computing without a wait of scripts at a reload, before they serve; 0 = any time',
  },
  { 'reload_grace', 'ms', 0, DAY, 5000, 'time for background work of scripts that were replaced' },
  { 'port_file', 'string', 1, nil, nil, 'file to write the bound addresses to' },
  { 'host', 'string', 1, 255, nil, 'name others reach this machine by, for registries' },
  { 'defaults', 'table', nil, nil, nil, 'options of exports and refers that give none' },
  {
    'services',
    'table',
    nil,
    nil,
    nil,
    'options of exports by interface, over those of the script',
  },
  {
    'references',
    'table',
    nil,
    nil,
    nil,
    'options of refers by interface, over those of the script',
  },
}

-- Read before any Lua runs, so that only the environment can say them.
M.environment = {
  { 'log_level', { 'debug', 'info', 'warn', 'error', 'off' }, 'info', 'what is logged' },
  { 'log_format', { 'json', 'text' }, nil, 'of a line; on a terminal text, else json' },
  { 'config', nil, nil, 'the configuration file, where --config gives none' },
}

-- Limits: what is above is refused before memory is spent on it.
M.limits = {
  { 'connections', 'integer', 1, 1e6, 1e6, 'accepted connections of the process' },
  { 'connections_per_listener', 'integer', 1, 1e6, 1e6, 'accepted connections of one address' },
  { 'connections_per_peer', 'integer', 1, 1e6, 65536, 'accepted connections from one IP address' },
  { 'connections_out', 'integer', 1, 1e6, 1e6, 'connections a worker makes' },
  { 'sessions_per_connection', 'integer', 1, MOST, 1024, 'sessions a peer may negotiate' },
  { 'authentications', 'integer', 1, 1e6, 4096, 'authentications a worker has not begun' },
  { 'calls', 'integer', 1, 16e6, 1e6, 'calls in flight in a worker' },
  { 'calls_per_connection', 'integer', 1, MOST, 65536, 'calls in flight on a connection' },
  { 'queue_age', 'ms', 0, DAY, 20, 'refuse calls that waited longer; 0 = never' },
  { 'queue_burst', 'ms', 0, DAY, 100, 'time a queue may be longer than that' },
  { 'executor_queue', 'integer', 1, 1e6, 1024, 'calls that wait for an executor' },
  { 'call_timeout', 'ms', 1, DAY, 5000, 'deadline of calls that have none of their own' },
  { 'pinned_bytes', 'bytes', KIB, 2 ^ 40, 256 * MIB, 'arguments of the calls of a worker' },
  { 'partial_bytes', 'bytes', 64 * KIB, 2 ^ 32 - 1, 256 * MIB, 'halves of messages in a worker' },
  { 'frame_size', 'bytes', KIB, 2 ^ 30, 8 * MIB, 'one message, decompressed too' },
  { 'head_size', 'bytes', 64, 65535, 65535, 'the head of a message' },
  { 'value_depth', 'integer', 1, 128, 64, 'nesting of a value' },
  { 'value_elements', 'integer', 1, MOST, MIB, 'list items and map entries of a value' },
  { 'value_references', 'integer', 0, MOST, 65536, 'references within a value (hessian2)' },
  { 'value_string', 'bytes', 1, 2 ^ 30, 8 * MIB, 'one string of a value' },
  { 'output_high_water', 'bytes', KIB, 2 ^ 30, MIB, 'output above which reading stops' },
  { 'output_limit', 'bytes', KIB, 2 ^ 31, 64 * MIB, 'output above which it is closed' },
  { 'output_stall', 'ms', 4, DAY, 10000, 'close a peer that takes no output' },
  { 'letters', 'integer', 1, 1e6, 65536, 'messages that wait for a thread' },
  { 'first_byte_timeout', 'ms', 0, DAY, 10000, 'until a new connection shows its protocol' },
  { 'silent_connections', 'integer', 0, 1e6, 4096, 'that may say nothing for 3 minutes (Dubbo)' },
  { 'negotiate_timeout', 'ms', 0, DAY, 10000, 'until it shows a session or a call' },
  { 'frame_timeout', 'ms', 0, DAY, 30000, "from a message's first byte to its last" },
  { 'idle_timeout', 'ms', 0, DAY, 0, 'close a connection without any byte; 0 = never' },
  { 'heartbeat_interval', 'ms', 0, DAY, 10000, 'between heartbeats of a client; 0 = none' },
  { 'heartbeat_misses', 'integer', 1, 100, 3, 'unanswered heartbeats that close a connection' },
  { 'callbacks_per_connection', 'integer', 1, 1e6, 1024, 'functions of a peer that may be called' },
  { 'events', 'integer', 1, 1e6, 1024, 'events that wait for one listener' },
  { 'futures', 'integer', 1, 16e6, 4e6, 'answers a worker waits for' },
  { 'coroutines', 'integer', 8, 16e6, 4e6, 'coroutines of a worker' },
  { 'lua_memory', 'bytes', 0, 2 ^ 40, 2048 * MIB, 'Lua memory of a worker; 0 = any' },
} -- stylua: ignore

-- Those that a reload cannot change.
M.fixed = { 'workers', 'port_file' }

-- The ones that are flags of `perilune run`, too.
M.flags = {
  'workers',
  'executors',
  'stall_timeout',
  'drain_timeout',
  'connections',
  'connections_per_peer',
  'calls',
  'calls_per_connection',
  'queue_age',
  'call_timeout',
  'frame_size',
  'pinned_bytes',
  'lua_memory',
  'idle_timeout',
} -- stylua: ignore

---@class perilune.process.Setting: perilune.schema.Rule
---@field unit? 'ms'|'bytes'
---@field environment_only? boolean

---@type table<string, perilune.process.Setting>
M.schema = {}
-- Names in order.
M.names = {}
local is_limit = {}

local TYPES = { ms = 'integer', bytes = 'integer' }

local function add(row)
  local name, kind = row[1], row[2]
  M.names[#M.names + 1] = name
  M.schema[name] = {
    type = TYPES[kind] or kind,
    min = row[3],
    max = row[4],
    default = row[5],
    help = row[6],
  } -- stylua: ignore
  M.schema[name].unit = TYPES[kind] and kind
end

for _, row in ipairs(M.list) do
  add(row)
end
for _, row in ipairs(M.limits) do
  add(row)
  is_limit[row[1]] = true
end

for _, row in ipairs(M.environment) do
  local name = row[1]
  M.names[#M.names + 1] = name
  M.schema[name] =
    { type = 'string', enum = row[2], default = row[3], help = row[4], environment_only = true }
end

local FACTORS = { K = 2 ^ 10, M = 2 ^ 20, G = 2 ^ 30 }

-- Text from the environment or a flag as the setting's type; what does not fit stays text, for the
-- check to refuse.
---@param name string
---@param text string
---@return string|number
function M.value(name, text)
  local rule = M.schema[name]
  if not rule or rule.type ~= 'integer' then
    return text
  end
  local number, factor = text:match '^(%d+)([KMG])i?B?$'
  if number and rule.unit == 'bytes' then
    return tonumber(number) * FACTORS[factor]
  end
  return tonumber(text) or text
end

local function shown(rule, value)
  if rule.unit == 'bytes' then
    for _, name in ipairs { 'G', 'M', 'K' } do
      if value ~= 0 and value % FACTORS[name] == 0 then
        return ('%d%s'):format(value / FACTORS[name], name)
      end
    end
  end
  return ('%d'):format(value) .. (rule.unit == 'ms' and ' ms' or '')
end

-- What a setting is for, with its default.
---@param name string
---@return string
function M.help(name)
  local rule = M.schema[name]
  local default = type(rule.default) == 'number' and shown(rule, rule.default)
  return rule.help .. (default and (' (default %s)'):format(default) or '')
end

-- The limits among the settings, to be given to core.set_limits in every VM.
---@param conf table
---@return table<string, number>
function M.limits_of(conf)
  local limits = {}
  for name in pairs(is_limit) do
    limits[name] = conf[name]
  end
  return limits
end

-- Puts limits into this VM, before anything in it is opened.
---@param limits table<string, number>
function M.apply(limits)
  core.set_limits(limits)
  if limits.call_timeout then
    local options = require 'perilune.entry.options'
    options.refer.timeout.default = limits.call_timeout
  end
end

return M
