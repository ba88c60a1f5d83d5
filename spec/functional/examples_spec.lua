-- SPDX-License-Identifier: MIT
-- Every example runs to its end, through the binary, and says what its files promise.
local child = require 'spec.support.child'
local c = require 'spec.support.c'

-- A program that links a sanitized library has to be sanitized, too.
local function sanitized()
  local name = c.build:match '/(%a+)$'
  local kinds = { asan = '-fsanitize=address,undefined', tsan = '-fsanitize=thread' }
  return kinds[name]
end

local LIMIT = 120 -- seconds; some are built first

local function run(example)
  local binary = child.binary()
  if binary:sub(1, 1) ~= '/' then
    binary = require('lfs').currentdir() .. '/' .. binary
  end
  local exit = child.run(
    { c.root .. '/examples/' .. example .. '/run' },
    { env = { PERI_BIN = binary, CFLAGS = sanitized() }, limit = LIMIT }
  )
  assert.equal(0, exit.code, exit.output)
  return exit.output
end

local function says(output, ...)
  for _, text in ipairs { ... } do
    assert.truthy(output:find(text, 1, true), ('no "%s" in\n%s'):format(text, output))
  end
end

describe('example', function()
  it('quickstart tells who answered and why', function()
    local output = run 'quickstart'
    says(
      output,
      'hello moon, says ',
      'hello pluto, says ',
      '[balancer: ',
      'selector: canary calls go to v2'
    )
    assert.truthy(output:match 'hello canary, says south')
    assert.truthy(output:match 'NOT_FOUND: %a+ knows no such greeting')
    assert.equal(2, select(2, output:gsub('slept 50 ms', '')))
  end)

  it('filter', function()
    says(
      run 'filter',
      'PARROT SAYS HELLO TO ANN\n',
      'PARROT SAYS HELLO TO ANN (remembered)\n',
      'PARROT SAYS GOOD BYE TO ANN\n',
      'LIMITED: ann has used up 2 calls\n'
    )
  end)

  it('validation', function()
    says(
      run 'validation',
      '1 seats for Moon',
      'args[1] must be a string of 1 to 40 bytes',
      'args[2].seats must be an integer from 1 to 8',
      'args[2] must be another name',
      'Moon is now called Luna'
    )
  end)

  it('cache', function()
    says(run 'cache', 'Moon costs 4\tasked\t1\n', 'hello German\nhello French\n', 'asked\t2\n')
  end)

  it('limit', function()
    says(
      run 'limit',
      'tourist 1, drink: 2 of 5\tLIMITED',
      'tourist 2, drink: 2 of 5\tLIMITED',
      'guard, drink: 5 of 5',
      'guard, bathe: 2 of 4',
      'tourist 1, throw_coin: 5 of 5'
    )
  end)

  it('executor', function()
    says(run 'executor', '10 glances while it counts\n', 'stars:\tmore than ten\n')
  end)

  it('breaker', function()
    says(
      run 'breaker',
      'UNAVAILABLE: no view of the sky\n',
      'today: closed -> open',
      'today failed too often; the circuit is open',
      'tomorrow: as every year (UNAVAILABLE)'
    )
  end)

  it('auth', function()
    says(
      run 'auth',
      'owner takes gold\nguard looks\nFORBIDDEN: ',
      'UNAUTHENTICATED: the signature is wrong',
      'UNAUTHENTICATED: the call is not signed',
      'ann did not say please'
    )
  end)

  it('selector', function()
    local output = run 'selector'
    says(output, 'near asia:         tokyo in asia', 'europe, not oslo:  berlin in eu', 'NO_NODE')
    assert.truthy(output:match 'near europe: +%a+ in eu')
  end)

  it('balancer', function()
    says(run 'balancer', 'small 20, large 20', 'small 10, large 30')
  end)

  it('events', function()
    local output = run 'events'
    says(
      output,
      'a star was ordered in worker 1',
      'the moon is not for sale',
      'a comet was ordered in worker 1',
      'shop sends a comet',
      'node of demo.Shop: connecting -> ready',
      'a session with demo.Shop'
    )
  end)

  it('c-plugin, built as a project of its own', function()
    local output = run 'c-plugin'
    says(output, '37000 bytes, and they begin: once upon a time')
    assert.matches('compression +brotli +%S+/.rocks/lib/lua/5.1/', output)
  end)

  it('embed, a program with a runtime inside', function()
    says(
      run 'embed',
      'greet(moon) = 0: good evening, moon\n',
      'ask(moon) = 0: hello moon\n',
      "grete(nobody) = -5: nothing exposed as 'grete'; did you mean 'greet'?"
    )
  end)

  it('callback', function()
    local output = run 'callback'
    says(
      output,
      'paper has 1 listener',
      'the moon is up, called back, with ',
      'a listener says thank you for the moon is up',
      'told:\t1',
      'told:\t0'
    )
    assert.is_nil(output:find('the moon is down', 1, true))
  end)

  it('router', function()
    local output = run 'router'
    says(output, 'impatient:\ta of quick', 'forking:\tb of quick', 'pinpoint:\td of quick')
    says(output, 'broadcast:\tquick dropped c', 'broadcast:\tslow dropped c')
    says(output, 'broadcast:\tnothing dropped', 'failsafe:\tnothing', 'retry_on:\tf of quick')
    says(output, 'UNAVAILABLE: broken has no disk')
  end)

  it('hash', function()
    says(run 'hash', '30 users on 3 nodes, 0 visits went astray')
  end)

  it('canary', function()
    local output = run 'canary'
    assert.truthy(output:match 'of 100 users %d%d see v2, 0 of them now and then')
    says(output, 'large order:\tv1', 'small order:\tv2')
  end)

  it('plugins', function()
    says(
      run 'plugins',
      'command: hello moon\n',
      'authenticator, group:\tali says moon\n',
      'retry_target:\tUNAVAILABLE: long is tired',
      'serializer:\tother one\n',
      'told:\twords.turned\tother\n',
      'that is not the word',
      'registry:\tNO_NODE'
    )
  end)

  it('failover', function()
    local output = run 'failover'
    says(
      output,
      'failover:\tann has 100 (sound)',
      'failfast:\tUNAVAILABLE',
      'pay:\tTIMEOUT\tUNKNOWN\tretryable: false'
    )
    assert.truthy(output:match 'twice:\tUNAVAILABLE.-%(tried .-, .-%)')
  end)
end)

describe('the quickstart provider', function()
  it('answers perilune call from another process', function()
    local binary = child.binary()
    local provider = child.start {
      binary,
      'run',
      '--workers',
      '1',
      c.root .. '/examples/quickstart/provider.lua',
      '--',
      'north',
      'v1',
      'tcp://127.0.0.1:0',
    }
    local port = provider:wait_line 'serving demo.Greeter:prod on tcp://127.0.0.1:(%d+)'
    local url = 'joyrpc://127.0.0.1:' .. port
    local exit =
      child.run { binary, 'call', url, 'demo.Greeter.hello', '["moon"]', '--alias', 'prod' }
    assert.equal(0, exit.code, exit.output)
    assert.truthy(exit.output:find('hello moon, says north', 1, true))
    exit = child.run { binary, 'call', url, 'demo.Greeter.fail', '[]', '--alias', 'prod' }
    assert.equal(1, exit.code)
    assert.truthy(exit.output:find('NOT_FOUND', 1, true))
    provider:kill 'TERM'
    assert.equal(0, provider:wait().code)
  end)
end)
