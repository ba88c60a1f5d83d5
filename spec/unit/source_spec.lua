-- SPDX-License-Identifier: MIT
local source = require 'perilune.source'

describe('source', function()
  local path
  before_each(function()
    path = os.tmpname()
  end)
  after_each(function()
    os.remove(path)
  end)

  local function write(text)
    local file = assert(io.open(path, 'wb'))
    file:write(text)
    file:close()
  end

  it('gives a function of its own for the same text', function()
    write '#!/usr/bin/perilune\nlocal name = ...\nreturn function() return name, 7LL end'
    local first, second = source.file(path), source.file(path)
    assert.not_equal(first, second)
    local name, number = second('moon')()
    assert.equal('moon', name)
    assert.equal(7LL, number)
    local jit_util = require 'jit.util'
    assert.matches(':3$', jit_util.funcinfo(second 'moon').loc)
    assert.equal('@' .. path, debug.getinfo(second, 'S').source)
  end)

  it('reads what has changed, and remembers what was loaded', function()
    write 'return 1'
    assert.equal(1, source.file(path)())
    write 'return 2'
    assert.equal('return 1', source.text(path))
    assert.equal(2, source.file(path)())
    assert.equal('return 2', source.text(path))
  end)

  it('tells as loadfile does what is wrong', function()
    os.remove(path)
    assert.same({ loadfile(path) }, { source.file(path) })
    write 'return return'
    assert.same({ loadfile(path) }, { source.file(path) })
    write 'return 1'
    assert.equal(1, source.file(path)())
  end)

  it('forgets files that a generation no longer loads', function()
    write 'return 1'
    source.begin()
    assert(source.file(path))
    source.finish()
    write 'return 2'
    assert.equal('return 1', source.text(path))
    source.begin()
    source.finish()
    assert.equal('return 2', source.text(path))
  end)

  it('makes new functions of generated text, named as asked', function()
    local text = 'local env, number = ... return function() return env.name, number end'
    local first = source.generated(text, '=chain a')({ name = 'a' }, 1)
    local second = source.generated(text, '=chain a')({ name = 'b' }, 2)
    assert.same({ 'a', 1, 'b', 2 }, { first(), select(2, first()), second(), select(2, second()) })
    for _, length in ipairs { 1, 127, 128, 600, 20000 } do
      local name = '=' .. ('n'):rep(length)
      local made = source.generated(text, name)
      assert.equal(name, debug.getinfo(made, 'S').source)
      assert.equal(string.dump(assert(loadstring(text, name))), string.dump(made))
    end
    assert.has_error(function()
      source.generated('return return', '=chain c')
    end)
  end)
end)
