-- SPDX-License-Identifier: MIT
local app = require 'spec.support.app'
local child = require 'spec.support.child'

local function check(text, env)
  local path = app.script(text)
  local result = child.run({ child.binary(), 'check', path }, { env = env })
  return result.code, result.output, path
end

describe('perilune check', function()
  -- What the script says, and what the one line about it must contain.
  local wrong = {
    { "loadbalance = 'p2x'", "loadbalance 'p2x' unknown; did you mean 'p2c'?" },
    { "router = 'failovr'", "router 'failovr' unknown; did you mean 'failover'?" },
    { "selectors = { 'tga' }", "selector 'tga' unknown; did you mean 'tag'?" },
    { "candidate = 'sbset'", "candidate 'sbset' unknown; did you mean 'subset'?" },
    { "serialization = 'jsn'", "serializer 'jsn' unknown; did you mean 'json'?" },
    { "compression = 'zst'", "compression 'zst' unknown; did you mean 'zstd'?" },
    { "url = 'joyrp://127.0.0.1:1'", "scheme 'joyrp' unknown; did you mean 'joyrpc'?" },
    { "methods = { a = { loadbalance = 'p2x' } }", "method 'a': loadbalance 'p2x' unknown" },
  }
  for _, case in ipairs(wrong) do
    it('names the place of ' .. case[1], function()
      local code, output, path = check(([[
        local perilune = require 'perilune'
        local spec = { interface = 'demo.Echo', url = 'joyrpc://127.0.0.1:1' }
        for key, value in pairs { %s } do spec[key] = value end
        perilune.refer(spec)
        perilune.main(function() end)
      ]]):format(case[1]))
      assert.equal(1, code)
      assert.truthy(output:find(case[2], 1, true), output)
      assert.truthy(output:find(path:match '[^/]+$' .. ":%d+: refer 'demo.Echo'"), output)
    end)
  end

  it('writes lists as lists in JSON, empty ones too', function()
    local path = app.script [[
      local perilune = require 'perilune'
      perilune.export { interface = 'demo.A', service = { f = function() end } }
      perilune.listen 'tcp://127.0.0.1:0']]
    local result = child.run { child.binary(), 'check', path, '--json' }
    assert.equal(0, result.code, result.output)
    assert.truthy(result.output:find('"refers":[]', 1, true), result.output)
    assert.truthy(result.output:find('"chain":[]', 1, true), result.output)
    result = child.run { child.binary(), 'config', path, '--json' }
    assert.matches('"services%[\'demo%.A\'%]%.filters"', result.output)
    assert.matches('"value":%[%]', result.output)
  end)

  it('finds policies that are registered after their use', function()
    local code, output = check [[
      local perilune = require 'perilune'
      perilune.refer { interface = 'a.B', url = 'joyrpc://127.0.0.1:1', loadbalance = 'mine' }
      perilune.loadbalance('mine', function(_, _, nodes) return nodes[1] end)
      perilune.main(function() end)
    ]]
    assert.equal(0, code, output)
  end)

  it('names the place of a listener that cannot be', function()
    local code, output = check [[
      local perilune = require 'perilune'
      perilune.listen 'tpc://127.0.0.1:0'
    ]]
    assert.equal(1, code)
    assert.truthy(output:find("scheme 'tpc' unknown; did you mean 'tcp'?", 1, true), output)
  end)

  it('counts executors as a start does', function()
    local code, output = check(
      [[
      local perilune = require 'perilune'
      perilune.export { interface = 'a.B', executor = 'pool', service = { c = print } }
      perilune.listen 'tcp://127.0.0.1:0'
    ]],
      { PERILUNE_EXECUTORS = '0' }
    )
    assert.equal(1, code)
    assert.matches("app%.lua:2: export 'a%.B': executor = 'pool' needs executors", output)
  end)

  it('refuses a listener without a socket', function()
    local code, output = check "require('perilune').listen 'inproc://here'"
    assert.equal(1, code)
    assert.truthy(output:find("refer { url = 'inproc://' }", 1, true), output)
  end)

  it('says that streams are still to come', function()
    local code, output = check "require('perilune').open {}"
    assert.equal(1, code)
    assert.truthy(output:find('streams are not there yet', 1, true), output)
  end)

  it('never looks into the working folder for modules', function()
    local code, output = check(
      [[
      assert(not (';' .. package.cpath):find(';%.'), package.cpath)
      local own = debug.getinfo(1, 'S').source:match '^@(.*)/'
      for entry in package.path:gmatch '[^;]+' do
        assert(entry:sub(1, 1) == '/' or entry:sub(1, #own) == own, entry)
      end
      local path, seen = package.path, 0
      for _, part in ipairs { own .. '/?.lua', own .. '/.rocks/', '/opt/x/?.lua', '/h/.luarocks/' } do
        local at = path:find(part, 1, true)
        assert(at and at > seen, part .. ' in ' .. path)
        seen = at
      end
      require('perilune').main(function() end)
    ]],
      { LUA_PATH = './?.lua;/opt/x/?.lua;;', HOME = '/h' }
    )
    assert.equal(0, code, output)
  end)
end)
