-- SPDX-License-Identifier: MIT
local child = require 'spec.support.child'

local function perilune(...)
  return child.run { child.binary(), ... }
end

local function lines_of(text)
  return select(2, text:gsub('\n', ''))
end

describe('the command line', function()
  it('shows help everywhere', function()
    for _, command in ipairs {
      'run',
      'call',
      'bench',
      'test',
      'check',
      'config',
      'status',
      'reload',
      'plugins',
      'version',
    } do
      local result = perilune(command, '--help')
      assert.equal(0, result.code, result.output)
      assert.matches('Usage: perilune ' .. command, result.output, 1, true)
    end
    assert.matches('bench', perilune('--help').output)
    assert.equal(perilune('--help').output, perilune('help').output)
    assert.equal(perilune('run', '--help').output, perilune('help', 'run').output)
  end)

  it('ends with 2 and one line that says what to do on wrong usage', function()
    for _, argv in ipairs {
      {},
      { 'fly' },
      { 'run' },
      { 'run', 'a.lua', '--workers', 'many' },
      { 'run', 'a.lua', '--workers', '0' },
      { 'call', 'joyrpc://127.0.0.1:1' },
      { 'call', 'joyrpc://127.0.0.1:1', 'nodots' },
      { 'call', '127.0.0.1:1', 'a.b' },
      { 'call', 'ftp://x', 'a.b' },
      { 'reload' },
      { 'reload', 'ftp://x' },
      { 'reload', '--pid', '1' },
      { 'call', 'joyrpc://127.0.0.1:1', 'a.b', '{"not":"a list"}' },
      { 'call', 'joyrpc://127.0.0.1:1', 'a.b', '--attach', 'novalue' },
      { 'bench', 'joyrpc://127.0.0.1:1', 'a.b', '-c', '0' },
      { 'bench', 'joyrpc://127.0.0.1:1', 'a.b', '-c', 'nan' },
      { 'call', 'joyrpc://127.0.0.1:1', 'a.b', '--timeout', '1.5' },
      { 'call', 'joyrpc://127.0.0.1:1', 'a.b', '--timeout', 'nan' },
      { 'status', 'joyrpc://127.0.0.1:1', '--timeout', '0.5' },
      { 'reload', 'joyrpc://127.0.0.1:1', '--timeout', 'inf' },
      { 'fibers', 'joyrpc://127.0.0.1:1', '--timeout', '0' },
      { 'fibers', 'joyrpc://127.0.0.1:1', '--most', '1.5' },
      { 'fibers', '--pid', '1' },
      { 'repl', '--worker', '2' },
      { 'repl', '--timeout', '100' },
      { 'repl', '--attach', 'joyrpc://127.0.0.1:1', '--timeout', '-0.5' },
      { 'plugins', '--chain', 'a.b' },
      { 'plugins', 'joyrpc://127.0.0.1:1' },
      { 'plugins', 'ftp://x', '--chain', 'a.b' },
      { 'new', 'service', 'x', '--dir', '' },
      { 'test', '--limit', 'nan' },
      { 'status', '127.0.0.1:1' },
      { 'help', 'fly' },
    } do
      local result = perilune(unpack(argv))
      local what = table.concat(argv, ' ') .. '\n' .. result.output
      assert.equal(2, result.code, what)
      assert.equal(1, lines_of(result.output), what)
      assert.matches('^perilune: ', result.output)
    end
  end)

  it('tells its version', function()
    assert.matches('^perilune %d+%.%d+%.%d+', perilune('version').output)
    assert.matches('"version":"%d', perilune('version', '--json').output)
  end)

  it('lists points and plugins', function()
    local result = perilune 'plugins'
    assert.equal(0, result.code, result.output)
    for _, row in ipairs {
      'filter +trace',
      'protocol +dubbo',
      'protocol +joyrpc',
      'serializer +json',
    } do
      assert.matches('\n' .. row, result.output)
    end
  end)

  it('ends with one line when a module of the command line is missing', function()
    local result = child.run(
      { child.binary(), 'version' },
      { env = { LUA_PATH = '/nowhere/?.lua' } }
    )
    assert.equal(1, result.code)
    assert.matches(
      "^perilune: the command line does not load: .*'argparse' not found",
      result.output
    )
    assert.equal(1, select(2, result.output:gsub('\n', '')))
  end)
end)
