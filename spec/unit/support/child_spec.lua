-- SPDX-License-Identifier: MIT
local child = require 'spec.support.child'
local eventually = require 'spec.support.eventually'

describe('spec.support.child', function()
  it('reports code, signal and output', function()
    local exit = child.run { 'sh', '-c', 'echo out; echo err >&2; exit 3' }
    assert.equal(3, exit.code)
    assert.matches('out', exit.output)
    assert.matches('err', exit.output)
    assert.equal('KILL', child.run({ 'sh', '-c', 'kill -9 $$' }).signal)
  end)

  it('waits for a line and gives its captures', function()
    local proc =
      child.start { 'sh', '-c', 'echo port 4711; echo ready; exec cat /dev/zero >/dev/null' }
    finally(function()
      proc:stop()
    end)
    assert.equal('4711', proc:wait_line('port (%d+)\n'))
    proc:wait_line('ready\n')
    assert.is_true(proc:running())
    proc:kill 'TERM'
    assert.same({ signal = 'TERM' }, proc:wait())
    assert.is_false(proc:running())
  end)

  it('says what it was waiting for when the process ends', function()
    local proc = child.start { 'sh', '-c', 'echo something else' }
    local ok, err = pcall(proc.wait_line, proc, 'never')
    proc:stop()
    assert.is_false(ok)
    assert.matches('something else', err)
  end)

  it('sets and removes variables', function()
    local exit = child.run({ 'sh', '-c', 'echo "[$PERI_X][${PERI_BUILD-unset}]"' }, {
      env = { PERI_X = 'moon', PERI_BUILD = false },
    })
    assert.equal('[moon][unset]\n', exit.output)
  end)

  it('refuses a program that does not exist', function()
    local ok, proc = pcall(child.run, { '/nonexistent/program' })
    assert.is_true(not ok or proc.code == 127)
  end)

  it('runs Lua in a process of its own', function()
    local exit = child.lua [[ print(jit.version) os.exit(5) ]]
    assert.equal(5, exit.code)
    assert.matches('LuaJIT', exit.output)
  end)
end)

describe('spec.support.eventually', function()
  it('steps until the condition is true', function()
    local steps = 0
    local result = eventually(function()
      return steps == 3 and 'done'
    end, {
      step = function()
        steps = steps + 1
      end,
    })
    assert.equal('done', result)
    assert.equal(3, steps)
  end)

  it('fails at its limit with what was waited for', function()
    local ok, err = pcall(eventually, function() end, { limit = 0.001, what = 'the moon' })
    assert.is_false(ok)
    assert.matches('the moon', err)
  end)
end)
