-- SPDX-License-Identifier: MIT
-- Options that mean nothing are refused where they are declared, and the message says what they may be.
local inside = require('spec.support.vm').inside

describe('an option', function()
  it(
    'of a refer that means nothing is refused',
    inside(function()
      local options = require 'perilune.entry.options'
      local referer = require 'perilune.entry.referer'
      local budget = 'retry_budget must be false or { ratio = 0.2, per_second = 10 }, got '
      for _, case in ipairs {
        { { retry_budget = true }, budget .. 'true' },
        { { retry_budget = 'none' }, budget .. 'none' },
        {
          { retry_budget = { rato = 0.1 } },
          "unknown setting 'retry_budget.rato'; did you mean 'ratio'?",
        },
        { { retry_budget = { ratio = -1 } }, 'retry_budget.ratio must be number from 0 to 1' },
        { { retry_budget = { per_second = 0 / 0 } }, 'retry_budget.per_second must be number' },
        -- What is said about attempts is read whatever the router.
        { { router = 'forking', attempt_timeout = 'x' }, "'share', 'left' or 'half', got 'x'" },
        { { attempt_timeout = {} }, "'left' or 'half', got a table" },
        { { router = 'failfast', retry_on = 'OVERLODED' }, "did you mean 'OVERLOADED'?" },
        { { router = 'broadcast', retry_target = 'anoter' }, "retry_target 'anoter' unknown" },
        { { router = { 'broadcast', need = 1.5 } }, 'an integer of at least 1, got' },
        {
          { selectors = { 'tag', key = 'zone' } },
          "selectors is a list and cannot have 'key'; settings stand beside a name: { { 'name',",
        },
        { { filters = { 'limiter', rate = 5 } }, "filters is a list and cannot have 'rate'" },
        { { methods = { x = 5 } }, 'methods.x: must be a table of options, got a number' },
        {
          { methods = { x = { executor = 'pool' } } },
          "methods.x: 'executor' is an option of exports",
        },
        { { aliases = { 'a', 'a' } }, "aliases names 'a' twice" },
        { { aliases = { 'a b' } }, 'aliases[1] must match' },
        { { attachments = { 'x' } }, 'attachments: a name must be a string, got a number' },
        { { attachments = { a = print } }, 'attachments.a cannot be sent: it is a function' },
        { { url = 'joyrpc://a' }, "'joyrpc://a': write host:port" },
        { { url = 'joyrpc://a:0' }, "'joyrpc://a:0' is no address to connect to" },
        { { url = 'joyrpc://:1' }, "'joyrpc://:1' is no address to connect to" },
        { { url = 'tcp://fe80::1:22000' }, 'has an IPv6 address without brackets' },
        { { url = 'unix://' }, "'unix://': write unix:///path" },
        { { url = 'unix://here' }, "'unix://here': write unix:///path" },
        { { url = 'tri://a:1' }, "scheme 'tri' unknown; known: dubbo, " },
        { { cluster = 'failover' }, "unknown setting 'cluster'; that is router here" },
        { { weight = 3 }, "unknown setting 'weight'; it is an option of exports" },
        {
          { methods = { x = { retris = 1 } } },
          "unknown setting 'retris'; did you mean 'retries'",
        },
        { { retris = 3 }, "unknown setting 'retris'; did you mean 'retries'?" },
        { { loadbalance = 'roundRobin' }, "did you mean 'round_robin'?" },
        { { token = '' }, 'token must be string of at least 1, got one of 0 bytes' },
        { { breaker = 5 }, 'breaker must be true, false or a table of settings, got 5' },
        { { trace = 'yes' }, 'trace must be true, false or a table of settings, got yes' },
        { { url = false, registry = 5 }, 'a registry is a URL, or a list of them; got a number' },
        { { url = false, registry = {} }, 'registry names none' },
        { { url = false, registry = 'fixed://' }, "registry 'fixed://': urls is required" },
        { { url = false, registry = 'fixed://?urls=a' }, "'a' is no URL" },
        { { url = false, registry = 'memory://x?ttl=1' }, "unknown setting 'ttl'" },
        {
          { selectors = { { 'conditions', rules = { { use = { 'match', 'node.a', 'x[' } } } } } },
          "'match' needs a Lua pattern; 'x[' misses the ']' of a set",
        },
        {
          { breaker = { codes = { 'TIMOUT' } } },
          "no error code 'TIMOUT'; did you mean 'TIMEOUT'",
        },
      } do
        local spec = { interface = 'demo.X', url = 'joyrpc://127.0.0.1:1' }
        for key, value in pairs(case[1]) do
          spec[key] = value or nil
        end
        local ok, message = pcall(function()
          local checked = options.check('refer', spec)
          referer.new(checked)
          return referer.check(checked)
        end)
        local text = tostring(message)
        assert.truthy(text:find(case[2], 1, true), text)
        assert.is_nil(text:find('lua/perilune', 1, true), ok and text)
      end
    end)
  )

  it(
    'of an export that means nothing is refused',
    inside(function()
      for _, case in ipairs {
        { { meta = { zone = {} } }, 'meta.zone must be a string, number or boolean, got a table' },
        { { meta = { alias = 'x' } }, "meta.alias: 'alias' is an option beside meta" },
        { { meta = { 'x' } }, 'meta has names and values' },
        { { methods = { f = { retries = 2 } } }, "methods.f: 'retries' is an option of refers" },
        { { exception = 5 }, 'exception must be true, false or a table of settings, got 5' },
        { { exception = { map = { TIMEOUT = 'X' } } }, "no error code 'X'" },
        { { limiter = { rules = { { rate = 5, by = 'method' } } } }, 'rules[1].by must be list' },
        { { limiter = { rules = { { rate = 5, burst = -1 } } } }, 'rules[1].burst must be number' },
        {
          { limiter = { rules = { { rate = 5, period = 0 } } } },
          'rules[1].period must be number',
        },
        { { limiter = { rules = { { rate = 0 } } } }, 'rules[1].rate must be number' },
        { { limiter = { rules = { { methd = 'f' } } } }, "unknown setting 'rules[1].methd'" },
        {
          { validation = { { type = 'string', pattern = '^a[' } } },
          "pattern '^a[' is no Lua pattern: it misses the ']' of a set",
        },
        {
          { validation = { methods = { g = { { type = 'string' } } } } },
          "methods has rules for 'g', which the service does not have",
        },
        {
          { warmup = { 'repeat_calls', calls = { f = 'x' } } },
          'calls.f must be a list of arguments',
        },
        { { fault = { abort = 'NOPE', lasts = 5 } }, "no error code 'NOPE'" },
        { { version = '1.0' }, "unknown setting 'version'; that is alias here" },
        { { retries = 2 }, "unknown setting 'retries'; it is an option of refers" },
      } do
        local spec = { interface = 'demo.X', service = { f = print } }
        for key, value in pairs(case[1]) do
          spec[key] = value
        end
        local ok, message = pcall(perilune.export, spec)
        assert.is_false(ok, case[2])
        assert.truthy(message:find(case[2], 1, true), message)
        assert.is_nil(message:find('perilune.error:', 1, true), message)
      end
    end)
  )

  it(
    'never shows a secret',
    inside(function()
      local url = 'joyrpc://127.0.0.1:1'
      for _, more in ipairs {
        { signature = { key = 'shop', secret = 'hush hush' } },
        { token = 5551234 },
      } do
        more.interface, more.url = 'demo.X', url
        local ok, message = pcall(perilune.refer, more)
        assert.is_false(ok)
        assert.is_nil(message:find('hush', 1, true), message)
        assert.is_nil(message:find('5551234', 1, true), message)
      end
      assert.truthy(select(2, pcall(perilune.defaults, 5)):find('a table of options', 1, true))
    end)
  )

  it(
    'of a single call that means nothing is refused where it is said',
    inside(function()
      local proxy = serve { f = print }
      for wrong, options in pairs {
        ["unknown setting 'timout'; did you mean 'timeout'?"] = { timout = 5 },
        ['timeout must be number, got nan'] = { timeout = 0 / 0 },
        ['retries must be integer from 0 to 100, got -1'] = { retries = -1 },
        ['attempt_timeout must be number of at least 1, got 0'] = { attempt_timeout = 0 },
        ['attachments must be table, got 5'] = { attachments = 5 },
        ['a table of options is wanted, got a number'] = 5,
      } do
        local ok, message = pcall(perilune.with, proxy, options)
        assert.is_false(ok)
        assert.truthy(message:find('perilune.with: ' .. wrong, 1, true), message)
      end
      local _, message = pcall(perilune.ready, proxy, 'soon')
      assert.truthy(message:find('perilune.ready: timeout must be a number', 1, true), message)
      _, message = pcall(perilune.call, proxy)
      assert.truthy(message:find('the name of a method is wanted', 1, true), message)
    end)
  )
end)
