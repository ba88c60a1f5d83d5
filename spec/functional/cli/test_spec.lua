-- SPDX-License-Identifier: MIT
local app = require 'spec.support.app'
local child = require 'spec.support.child'

local function run(text, ...)
  local path = app.script(
    "local perilune, testing = require 'perilune', require 'perilune.testing'\n" .. text,
    'some_spec.lua'
  )
  return child.run { child.binary(), 'test', path, ... }
end

-- From wherever it runs.
local function binary()
  local path = child.binary()
  return path:sub(1, 1) == '/' and path or require('lfs').currentdir() .. '/' .. path
end

describe('perilune test', function()
  after_each(app.stop_all)

  it('lets specs wait, serve and call', function()
    local result = run [[
      it('adds', function()
        perilune.export { interface = 't.S', service = {
          add = function(ctx, a, b) perilune.sleep(1) return a + b end } }
        local url = testing.listen():gsub('^tcp', 'joyrpc')
        local service = perilune.refer { interface = 't.S', url = url }
        assert.equal(5, perilune.check(service:add(2, 3)))
      end)]]
    assert.equal(0, result.code, result.output)
    assert.matches('1 success', result.output)
  end)

  it('finds modules and rocks of the working folder, its own ones first', function()
    local folder = app.script('', 'none'):match '^(.*)/'
    local exit = child.run {
      'sh',
      '-c',
      ([[cd %s && mkdir -p spec lua .rocks/share/lua/5.1 &&
        for at in . lua .rocks/share/lua/5.1; do echo "return '$at'" >$at/first.lua; done &&
        for at in lua .rocks/share/lua/5.1; do echo "return '$at'" >$at/second.lua; done &&
        echo "return 'rock'" >.rocks/share/lua/5.1/third.lua &&
        echo "it('x', function() assert.same({ '.', 'lua', 'rock' }, { require 'first', require 'second',
          (require 'third') }) end)" >spec/x_spec.lua && %s test]]):format(folder, binary()),
    }
    assert.equal(0, exit.code, exit.output)
  end)

  it('says which path is not there', function()
    local result = child.run { child.binary(), 'test', '/nowhere/spec', '-o', 'TAP' }
    assert.equal(1, result.code)
    assert.equal(
      'perilune: test: cannot open /nowhere/spec: No such file or directory\n',
      result.output
    )
  end)

  it('says which output is not there', function()
    local result = run([[it('x', function() end)]], '-o', 'nope')
    assert.equal(2, result.code)
    assert.matches("^perilune: test: %-%-output 'nope' unknown; known: ", result.output)
    assert.matches('^ok 1 %- x\n', run([[it('x', function() end)]], '-o', 'TAP').output)
  end)

  it('fails with the place when an assertion fails', function()
    local result = run [[it('x', function() perilune.sleep(1) assert.equal(1, 2) end)]]
    assert.equal(1, result.code)
    assert.matches('some_spec%.lua:2', result.output)
  end)

  it('fails a spec that is parked too long, with where it is parked', function()
    local result =
      run([[it('hangs', function() pcall(perilune.sleep, 600000) end)]], '--limit', '50')
    assert.equal(1, result.code)
    assert.matches('took longer than 50 ms; parked in sleep', result.output)
    assert.matches('some_spec%.lua:2: in', result.output)
  end)

  it('fails a spec that leaves a future or a fiber behind', function()
    local result = run [[
      it('future', function() perilune.future() end)
      it('fiber', function() perilune.spawn(function() perilune.sleep(600000) end) end)
      it('clean', function() end)]]
    assert.equal(1, result.code)
    assert.matches('left behind: 1 pending futures', result.output)
    assert.matches('left behind: a parked fiber.-some_spec%.lua:3', result.output)
    assert.matches('1 success / 2 failures', result.output)
  end)
end)
