-- SPDX-License-Identifier: MIT
-- Plugins that cannot be used, as a user sees it from `perilune check`: one line with the place, the plugin,
-- the point, what is wrong and what is wanted; and registries that throw and lie while a process serves.
local app = require 'spec.support.app'
local child = require 'spec.support.child'

local POINTS = {
  'filter',
  'authenticator',
  'group',
  'listener',
  'identity',
  'authorizer',
  'validator',
  'cache',
  'cache_key',
  'limiter',
  'breaker',
  'mock',
  'warmup',
  'selector',
  'router',
  'retry_predicate',
  'retry_target',
  'loadbalance',
  'candidate',
  'slow_start',
  'registry',
  'serializer',
  'compression',
  'command',
  'executor',
} -- stylua: ignore

-- How each point names a plugin, as options of a refer or an export.
local USES = {
  filter = 'export { filters = { %s } }',
  attempt = 'refer { attempt_filters = { %s } }',
  authenticator = 'export { auth = %s }',
  group = "refer { aliases = { 'a', 'b' }, group = %s }",
  identity = 'export { authorization = { rules = {}, identity = %s } }',
  authorizer = 'export { authorization = { authorizer = %s } }',
  validator = 'export { validation = { validator = %s } }',
  cache = 'export { cache = { store = %s } }',
  cache_key = 'export { cache = { key = %s } }',
  limiter = 'export { limiter = { rate = 1, algorithm = %s } }',
  breaker = 'refer { breaker = { breaker = %s } }',
  mock = 'export { mock = { with = %s } }',
  warmup = 'export { warmup = %s }',
  selector = 'refer { selectors = { %s } }',
  router = 'refer { router = %s }',
  retry_predicate = 'refer { retry_on = %s }',
  retry_target = 'refer { retry_target = %s }',
  loadbalance = 'refer { loadbalance = %s }',
  candidate = 'refer { candidate = %s }',
  slow_start = 'refer { slow_start = %s }',
}

local HEAD = [[
local perilune = require 'perilune'
local function refer(more)
  more.interface, more.url = 'demo.R', 'joyrpc://127.0.0.1:1'
  return perilune.refer(more)
end
local function export(more)
  more.interface, more.service = 'demo.E', { f = print }
  return perilune.export(more)
end
]]

local function check(text, files)
  local script = app.script(HEAD .. text)
  for name, content in pairs(files or {}) do
    local path = script:match '^(.*)/' .. '/' .. name
    os.execute(('mkdir -p %s'):format(path:match '^(.*)/'))
    local file = assert(io.open(path, 'w'))
    file:write(content)
    file:close()
  end
  local exit = child.run { child.binary(), 'check', script }
  return exit.output, exit.code
end

local function refused(text, pattern, files)
  local output, code = check(text, files)
  assert.equal(1, code, text .. '\n' .. output)
  assert.matches('^perilune: check: [^\n]*app%.lua:%d+: [^\n]*\n$', output, 1, false, text)
  assert.matches(pattern, output, 1, false, text)
end

describe('a plugin', function()
  after_each(app.stop_all)

  it('of any point that is registered wrong is refused with place, point and name', function()
    local out = { 'local function try(fn, ...) local _, m = pcall(fn, ...) print(m) end' }
    for _, point in ipairs(POINTS) do
      local ways = {
        "try(perilune.%s, 'odd', 5)",
        "try(perilune.%s, 'Odd', function() end)",
        'try(perilune.%s, function() end)',
        "try(perilune.%s, { name = 'odd', new = 5 })",
        "try(perilune.%s, { name = 'odd', new = function() end, afer = {} })",
        "try(perilune.%s, { name = 'odd', new = print, schema = { a = { type = 'strin' } } })",
      }
      for i, way in ipairs(ways) do
        out[#out + 1] = ('io.write(%q)'):format(point .. ' ' .. i .. ': ') .. way:format(point)
      end
    end
    local output = check(table.concat(out, '\n'))
    local wants = {
      ": %s 'odd': give a function or a table",
      ": %s 'Odd': a name is lower case letters",
      ": %s: the name comes first, as in perilune.%s%('name'",
      ": %s 'odd': new must be a function",
      ": %s 'odd': unknown field 'afer'; did you mean 'after'%%?",
      ": %s 'odd': schema: 'a': no type 'strin'; did you mean 'string'%%?",
    }
    for _, point in ipairs(POINTS) do
      for i, want in ipairs(wants) do
        local said = output:match(('%s %d: ([^\n]*)'):format(point, i)) or 'nothing'
        assert.matches('app%.lua:%d+' .. want:gsub('%%s', point), said, 1, false, point)
      end
    end
  end)

  -- In one process, because there are many: exports are refused where they stand, refers by their first
  -- call when that is made outside of loading.
  it('of any point is refused where it is used', function()
    local loading, running, wants = {}, {}, {}
    local function try(use, ref, want)
      wants[#wants + 1] = { use:format(ref), want }
      local text = 'try(%d, function() %s end)'
      local list = use:match '^refer' and running or loading
      list[#list + 1] = text:format(#wants, use:format(ref):gsub('^refer', 'call'))
    end
    local function register(point, name, body)
      local text =
        "perilune.%s { name = %q, schema = { n = { type = 'integer' } }, new = function() %s end }"
      loading[#loading + 1] = text:format(point, name, body)
    end
    for what, use in pairs(USES) do
      local point = what == 'attempt' and 'filter' or what
      if what ~= 'attempt' then
        register(point, 'throws', "error 'boom'")
        register(point, 'makes_nothing', '')
        register(point, 'makes_number', 'return 5')
      end
      try(use, "'nosuch'", point .. " 'nosuch' unknown; ")
      try(use, '7', point .. ' must be a name, got a number')
      try(use, '{ odd = 1 }', "[:'] .")
      try(use, "'throws'", "'throws': new%(%) threw: .-: boom")
      try(use, "{ 'makes_nothing' }", "'makes_nothing': made nothing")
      try(use, "'makes_number'", 'what new%(%) made is a number')
      try(use, "{ 'throws', n = 'x' }", "'throws': n must be integer, got 'x'")
    end
    local process = app.start(table.concat({
      HEAD,
      'local function try(i, fn) local ok, m = pcall(fn) print(i, ok, m) end',
      "local function call(more) perilune.check(perilune.call(refer(more), 'f')) end",
      table.concat(loading, '\n'),
      'perilune.main(function()',
      table.concat(running, '\n'),
      'end)',
    }, '\n'))

    process:wait()
    local output = '\n' .. process.output
    for i, want in ipairs(wants) do
      local ok, said = output:match(('\n%d\t(%%a+)\t([^\n]*)'):format(i))
      assert.equal('false', ok, want[1] .. '\n' .. tostring(said))
      assert.matches(want[2], said, 1, false, want[1])
    end
  end)

  it('in a file of its own that fails is told from one that is not there', function()
    local cases = {
      ['return {'] = 'does not load: .-near',
      ["error 'boom'"] = 'does not load: .-odd%.lua:1: boom',
      ["require 'no.rock'"] = "module 'no%.rock' not found; is its rock installed%?",
      ['return 7'] = 'odd%.lua must return a table',
      ["return { name = 'even', new = print }"] = "odd%.lua calls itself 'even'",
      ["return { name = 'odd', side = 'providr', new = print }"] = "did you mean 'provider'",
      ["require('perilune').sleep(1)"] = 'cannot wait while loading',
    }
    for text, pattern in pairs(cases) do
      refused(
        "export { filters = { 'odd' } }",
        pattern,
        { ['perilune/entry/filter/odd.lua'] = text }
      )
    end
  end)

  it('that is no shared object, or for another ABI, is refused', function()
    local path = '.rocks/lib/lua/5.1/perilune/protocol/compression/odd.so'
    refused("refer { compression = 'odd' }", "compression 'odd'", { [path] = 'not an object' })
  end)

  it('wish for an order that goes in a circle is refused', function()
    refused(
      [[
      perilune.filter { name = 'one', before = 'two', filter = print }
      perilune.filter { name = 'two', before = 'one', filter = print }
      export { filters = { 'one', 'two' } }]],
      'filters: circle: one after two after one; take one of their before and after away'
    )
  end)

  it('validator with a wrong rule is refused', function()
    refused("export { validation = { { type = 'strin' } } }", "did you mean 'string'")
    refused("export { validation = { { type = 'string', min = {} } } }", 'min')
    refused("export { validation = { { type = 'table', fields = 7 } } }", 'fields')
  end)
end)

describe('a registry', function()
  after_each(app.stop_all)

  it('that throws or lies is told, and hurts no other', function()
    local server = app.serve [[
perilune.export { interface = 'demo.B', service = { echo = function(_, x) return x end } }
perilune.listen 'tcp://127.0.0.1:0']]
    local client = app.start(([[
local good = { { url = %q } }
local function registry(name, subscribe, more)
  perilune.registry { name = name, new = function()
    return { subscribe = subscribe, close = more or print, unsubscribe = more }
  end }
end
local function gives(...)
  local lists = { ... }
  return function(_, _, on_change)
    for _, list in ipairs(lists) do on_change(list) end
    return true
  end
end
registry('good', gives { version = 1, entries = good })
registry('throws', function() error 'boom' end)
registry('silent', function() end)
registry('number', gives(7))
registry('version', gives { version = 'x', entries = good })
registry('junk', gives { version = 1, entries = { 7, {}, { url = 'nonsense' }, good[1] } })
registry('forgets', gives({ version = 1, entries = good }, { version = 2, entries = {} }))
registry('old', gives({ version = 2, entries = good }, { version = 1, entries = {}, explicit = true }))
registry('clings', gives { version = 1, entries = good }, function() error 'mine' end)
local names, proxies =
  { 'good', 'throws', 'silent', 'number', 'version', 'junk', 'forgets', 'old', 'clings' }, {}
for i, name in ipairs(names) do
  proxies[i] = perilune.refer { interface = 'demo.B', registry = name .. '://x', timeout = 5000 }
end
perilune.main(function()
  for i, name in ipairs(names) do
    local bad = name == 'throws' or name == 'silent' or name == 'number' or name == 'version'
    local proxy = bad and perilune.with(proxies[i], { timeout = 1 }) or proxies[i]
    print(name, proxy:echo 'answered')
  end
end)]]):format(server.url))
    assert.equal(0, client:wait().code, client.output)
    for _, name in ipairs { 'good', 'junk', 'forgets', 'old', 'clings' } do
      assert.matches(name .. '\tanswered', client.output)
    end
    for _, text in ipairs {
      "'throws://x': subscribe threw: [^\n]-boom",
      'subscribe gave neither a handle nor what is wrong',
      "'number://x': on_change wants { version =, entries = {...} }",
      "'version://x': version is a number that grows, got a string",
      '3 of 4 entries are left out; entry 1: is a number',
      'an empty list was ignored',
      "'clings://x': close threw: [^\n]-mine",
    } do
      assert.matches(text, client.output)
    end
    assert.is_nil(client.output:find('SCRIPT-ERROR', 1, true), client.output)
  end)
end)
