-- SPDX-License-Identifier: MIT
-- Policies and handlers that break their contract while they serve: each fails its own call, with an error
-- that says what is wrong and a line in the log that names the place, and no connection ends of it. An
-- innocent service is called after each, over a connection of its own to the same worker.
local app = require 'spec.support.app'

-- Each: what, options of the refer, options of the export (its handler is `hello`), what the caller
-- gets, what the log says. Patterns; the log is 'no' where nothing is logged.
local ALWAYS = 'function() return true end'
local CASES = {
  -- balancers
  { 'nil', 'loadbalance = function() end', '', "NO_NODE: the balancer 'inline' of", 'no' },
  {
    'number',
    'loadbalance = function() return 7 end',
    '',
    "balancer 'inline', chose a number",
    'no',
  },
  { 'table', 'loadbalance = function() return {} end', '', 'chose a table; it must choose', 'no' },
  { 'foreign', 'loadbalance = function() return foreign end', '', 'is none of its nodes', 'no' },
  {
    'throws',
    "loadbalance = function() error 'lb' end",
    '',
    'INTERNAL',
    'policy: .-app.lua:%d+: lb',
  },
  { 'field', 'loadbalance = function(_, _, n) return n.x end', '', 'INTERNAL', "list has no 'x'" },
  -- selectors
  {
    'nil',
    'selectors = { function() end }',
    '',
    "selector 'inline' must return nodes, got a nil",
    'no',
  },
  {
    'list',
    'selectors = { function() return {} end }',
    '',
    'must return nodes, got a table',
    'no',
  },
  { 'throws', "selectors = { function() error 'se' end }", '', 'INTERNAL', 'app.lua:%d+: se' },
  {
    'none',
    'selectors = { function(_, _, n) return n:filter(function() end) end }',
    '',
    "NO_NODE: selector 'inline' left none of 1 nodes",
    'no',
  },
  -- routers
  {
    'silent',
    'router = function() end',
    '',
    "router 'inline' .- neither sent the call nor answered",
    'no',
  },
  {
    'thousand',
    'router = function(_, _, n, send) for i = 1, 1000 do send(n[1]) end return 1 end',
    '',
    "router 'inline' .- sent one call 128 times",
    'no',
  },
  {
    'number',
    'router = function(_, _, n, send) return send(5) end',
    '',
    "router 'inline' .- a number",
    'no',
  },
  {
    'foreign',
    'router = function(_, _, n, send) return send(foreign) end',
    '',
    'none of its nodes',
    'no',
  },
  {
    'timeout',
    "router = function(_, _, n, send) return send(n[1], 'soon') end",
    '',
    "router 'inline' .- timeout of send is a number",
    'no',
  },
  { 'throws', "router = function() error 'ro' end", '', 'INTERNAL', 'app.lua:%d+: ro' },
  {
    'keeps',
    'router = function(_, _, n, send) kept = send return send(n[1]) end',
    '',
    '^ok$',
    'no',
  },
  {
    'kept',
    'router = function(_, _, n) return kept(n[1]) end',
    '',
    'INTERNAL',
    'send used after its call',
  },
  -- retries, candidates, slow start
  {
    'target',
    "idempotent = true, retry_on = 'UNKNOWN', retry_target = function() return {} end",
    "service = { hello = function() return nil, 'no' end }",
    "retry_target 'inline' must return nodes, got a table",
    'no',
  },
  {
    'predicate',
    "idempotent = true, retry_on = function() error 'pr' end",
    "service = { hello = function() return nil, 'no' end }",
    'INTERNAL',
    'app.lua:%d+: pr',
  },
  { 'nil', 'candidate = function() end', '', '^ok$', "candidate 'inline' of .- gave a nil" },
  { 'throws', "candidate = function() error 'ca' end", '', '^ok$', 'candidate .- threw: .-: ca' },
  {
    'foreign',
    'candidate = function() return { {} } end',
    '',
    '^ok$',
    'none of the entries it got',
  },
  {
    'nan',
    'slow_start = function() return 0 / 0 end',
    '',
    '^ok$',
    'slow_start of .- not a weight',
  },
  {
    'throws',
    "slow_start = function() error 'ss' end",
    '',
    '^ok$',
    'slow_start of .- threw: .-: ss',
  },
  -- what filters are made of
  {
    'number',
    '',
    'validation = { validator = function() return 7 end }',
    'INTERNAL',
    'validator gave a number',
  },
  {
    'list',
    '',
    'validation = { validator = function() return { 1 } end }',
    'INTERNAL',
    'number as failure 1',
  },
  {
    'empty',
    '',
    'validation = { validator = function() return {} end }',
    'INTERNAL',
    'gave no failures',
  },
  {
    'key',
    '',
    'cache = { ttl = 9, key = function() return {} end }',
    'INTERNAL',
    'cache_key gave a table',
  },
  {
    'get',
    '',
    "cache = { ttl = 9, store = { get = function() error 'ge' end, set = print, remove = print } }",
    'INTERNAL',
    'app.lua:%d+: ge',
  },
  {
    'text',
    '',
    "limiter = { rate = 1, algorithm = function() return 'x' end }",
    'INTERNAL',
    'limiter gave x',
  },
  {
    'nan',
    '',
    'limiter = { rate = 1, algorithm = function() return 0 / 0 end }',
    'INTERNAL',
    'limiter gave',
  },
  {
    'who',
    '',
    'authorization = { rules = {}, identity = function() return 7 end }',
    'INTERNAL',
    'identity is a number',
  },
  {
    'yes',
    '',
    "authorization = function() return 'yes' end",
    'INTERNAL',
    'authorizer gave a string',
  },
  { 'none', '', 'authorization = function() end', 'UNAUTHENTICATED', 'no' },
  { 'throws', '', "mock = { with = function() error 'mo' end }", 'INTERNAL', 'app.lua:%d+: mo' },
  {
    'allow',
    "breaker = { breaker = { allow = function() error 'br' end, done = print } }",
    '',
    'INTERNAL',
    'app.lua:%d+: br',
  },
  {
    'done',
    ("breaker = { breaker = { allow = %s, done = function() error 'do' end } }"):format(ALWAYS),
    '',
    'INTERNAL',
    'app.lua:%d+: do',
  },
  {
    'state',
    "breaker = { breaker = { allow = function(s) s.state = 'hot' return true end, done = print } }",
    '',
    'INTERNAL',
    "state.state to 'hot'; it is 'closed'",
  },
  -- serializers
  { 'throws', "serialization = 'bad_encode'", '', 'serializer bad_encode: .-: en', 'no' },
  { 'number', "serialization = 'bad_type'", '', 'bad_type: encode must return a string', 'no' },
  {
    'decode',
    "serialization = 'bad_decode'",
    '',
    'BAD_REQUEST: serializer bad_decode: .-: de',
    'no',
  },
  { 'list', "serialization = 'bad_list'", '', 'BAD_REQUEST: arguments must be a list', 'no' },
  { 'waits', "serialization = 'waits'", '', 'across C%-call boundary', 'no' },
  -- handlers
  {
    'function',
    '',
    'service = { hello = function() return print end }',
    'cannot be encoded',
    'value: function',
  },
  {
    'circle',
    '',
    'service = { hello = function() return circle end }',
    'cannot be encoded',
    'nested deeper',
  },
  {
    'throws',
    '',
    "service = { hello = function() error 'ha' end }",
    'INTERNAL',
    'handler: .-: ha',
  },
  { 'overflow', '', 'service = { hello = overflow }', 'INTERNAL', 'stack overflow' },
  {
    'big',
    '',
    'service = { hello = function() return big end }',
    'TOO_BIG: .- frame_size',
    'over frame_size',
  },
  {
    'attachments',
    '',
    'service = { hello = function(ctx) ctx.reply.big = big:sub(1, 70000) return 1 end }',
    'TOO_BIG: .- 65535',
    'over 65535 bytes',
  },
  {
    'error',
    '',
    'service = { hello = function() return nil, {} end }',
    'UNKNOWN: a table without a code',
    'no',
  },
}

-- Filters, on each side.
local FILTERS = {
  { 'twice', 'next(ctx, call) return next(ctx, call)', 'INTERNAL', 'called next a second time' },
  { 'nothing', 'next(ctx, call)', 'INTERNAL', "filter 'inline' returned nothing; did it forget" },
  { 'throws', "error 'fi'", 'INTERNAL', 'app.lua:%d+: fi' },
  { 'table', 'error {}', 'INTERNAL', 'filter.-: table: ' },
  { 'after', "next(ctx, call) error 'fi'", 'INTERNAL', 'app.lua:%d+: fi' },
  { 'bare', 'return next()', 'INTERNAL', 'write next%(ctx, call%)' },
  { 'number', 'return nil, 7', 'UNKNOWN: 7', 'no' },
  { 'table', 'return nil, {}', 'UNKNOWN: a table without a code', 'no' },
}
for _, place in ipairs { 'filters', 'attempt_filters', 'provider' } do
  for _, filter in ipairs(FILTERS) do
    local text = ('filters = { function(ctx, call, next) %s end }'):format(filter[2])
    local refer = place == 'provider' and '' or text:gsub('^filters', place)
    local export = place == 'provider' and text or ''
    CASES[#CASES + 1] = { filter[1], refer, export, filter[3], filter[4] }
  end
end

-- What chooses or judges must not wait; W does.
local UNAVAILABLE = "service = { hello = function() return nil, perilune.error 'UNAVAILABLE' end }"
for _, case in ipairs {
  { 'loadbalance = W' },
  { 'loadbalance = { pick = function(_, _, n) return n[1] end, done = W }' },
  { "loadbalance = { 'consistent_hash', key = W }" },
  { 'selectors = { W }' },
  { "selectors = { { by = 'zone', want = W } }" },
  { 'retry_on = W, idempotent = true', UNAVAILABLE },
  { 'retry_target = W, idempotent = true', UNAVAILABLE },
  { 'breaker = { breaker = { allow = W, done = W } }' },
  { 'cache = { key = W }' },
  { '', 'limiter = { rate = 1, algorithm = W }' },
  { '', "limiter = { rate = 1, by = { 'caller' }, identity = W }" },
  { '', 'validation = W' },
} do
  local wait = 'function() perilune.sleep(1) end'
  local refer, export =
    case[1]:gsub('%f[%u]W%f[%U]', wait), (case[2] or ''):gsub('%f[%u]W%f[%U]', wait)
  CASES[#CASES + 1] = { 'waits', refer, export, 'INTERNAL', 'must not wait' }
end

local function name_of(i)
  return 'demo.Case' .. i
end

local SERIALIZERS = [[
local ok = { encode = function() return 'x' end, decode = function() return {} end }
local function add(name, id, encode, decode)
  perilune.serializer { name = name, id = id, encode = encode or ok.encode, decode = decode or ok.decode }
end
add('bad_encode', 51, function() error 'en' end)
add('bad_type', 52, function() return 7 end)
add('bad_decode', 53, nil, function() error 'de' end)
add('bad_list', 54, nil, function() return 7 end)
add('waits', 55, function() perilune.sleep(1) return 'x' end)
]]

local function provider(from, to)
  local out = {
    SERIALIZERS,
    [[
local circle, big = {}, ('x'):rep(9 * 2 ^ 20)
circle.circle = circle
local function overflow() return 1 + overflow() end
local function hello() return 'ok' end
perilune.export { interface = 'demo.Innocent', service = { hello = hello } }
]],
  }
  for i = from, to do
    local case = CASES[i]
    local text = 'do local spec = { %s } '
      .. 'spec.interface, spec.service = %q, spec.service or { hello = hello }'
    out[#out + 1] = text:format(case[3], name_of(i)) .. ' perilune.export(spec) end'
  end
  out[#out + 1] = "perilune.listen 'tcp://127.0.0.1:0' perilune.listen 'tcp://127.0.0.1:0'"
  return table.concat(out, '\n')
end

local function consumer(urls, from, to)
  local out = {
    SERIALIZERS,
    ('local one, two = %q, %q'):format(urls[1], urls[2]),
    [[
local downs, proxies, foreign, kept = 0, {}, nil, nil
perilune.on('connection.down', function() downs = downs + 1 end)
local innocent = perilune.refer { interface = 'demo.Innocent', url = two, timeout = 5000,
  loadbalance = function(_, _, nodes) foreign = nodes[1] return foreign end }
]],
  }
  for i = from, to do
    local case = CASES[i]
    local text = 'proxies[%d] = perilune.refer { interface = %q, url = one, timeout = 5000, %s }'
    out[#out + 1] = text:format(i, name_of(i), case[2])
  end
  out[#out + 1] = [[
perilune.main(function()
  assert(innocent:hello() == 'ok')
  for i, proxy in pairs(proxies) do
    local ok, result, err = pcall(perilune.call, proxy, 'hello')
    local text = not ok and 'RAISED ' .. tostring(result) or tostring(err or result)
    print(('case %d: %s'):format(i, (text:gsub('%c', ' '))))
    local again, wrong = innocent:hello()
    if again ~= 'ok' then print('innocent: ' .. tostring(wrong)) end
  end
  print('downs: ' .. downs)
end)]]
  return table.concat(out, '\n')
end

-- So few in one process that the log, whose lines of one tag are limited, loses none.
local GROUP = 16

local function run(from, to)
  local server = app.serve(provider(from, to), { args = { '--workers', '1' } })
  local urls = {}
  for i, url in ipairs(server.urls) do
    urls[i] = url:gsub('^tcp', 'joyrpc')
  end
  local client = app.start(consumer(urls, from, to), { args = { '--workers', '1' } })
  assert.equal(0, client:wait().code, client.output)
  server:kill 'TERM'
  server:wait()
  return client.output, client.output .. server.output
end

local function logged(logs, name, pattern)
  for line in logs:gmatch '[^\n]+' do
    if line:find(name .. '%f[%D]') and line:find(pattern) then
      return true
    end
  end
  return false
end

local function check(from, to)
  local output, logs = run(from, to)
  local results = {}
  for i, text in output:gmatch 'case (%d+): ([^\n]*)' do
    results[tonumber(i)] = text
  end
  for i = from, to do
    local case = CASES[i]
    local what = ('%s %s%s'):format(case[1], case[2], case[3])
    assert.matches(case[4], results[i] or 'no answer', 1, false, what)
    if case[5] ~= 'no' then
      assert.is_true(logged(logs, name_of(i), case[5]), what .. ': the log misses ' .. case[5])
    end
  end
  assert.matches('downs: 0\n', output)
  assert.is_nil(output:find('innocent:', 1, true))
  assert.is_nil(logs:find('RAISED', 1, true))
end

describe('a policy or handler that breaks its contract', function()
  after_each(app.stop_all)

  for from = 1, #CASES, GROUP do
    local to = math.min(from + GROUP - 1, #CASES)
    local about = 'fails its own call, says how, and ends no connection: cases %d to %d'
    it(about:format(from, to), function()
      check(from, to)
    end)
  end

  -- Whether a guard has room left then depends on the size of the frames.
  it('is named where it overflows the stack, whatever is left of it', function()
    local server = app.serve [[
      local service = {}
      for i = 1, 4 do
        local locals = ('local a = n '):rep(i)
        service['deep_' .. i] = assert(loadstring(
          'local wait = ... local function f(n) ' .. locals .. 'return 1 + f(n + 1) end '
            .. 'return function() wait(1) return f(1) end'))(perilune.sleep)
      end
      perilune.export { interface = 'demo.Deep', service = service }
      perilune.listen 'tcp://127.0.0.1:0'
    ]]
    for i = 1, 4 do
      assert.matches('INTERNAL', app.call(server, 'demo.Deep.deep_' .. i).output)
      server:wait_line(('"demo%%.Deep%%.deep_%d: handler[^\n]-: stack overflow'):format(i))
    end
  end)
end)
