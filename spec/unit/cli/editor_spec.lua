-- SPDX-License-Identifier: MIT
-- The line editor of the REPL: keys in, text out, no terminal.
local editor = require 'perilune.cli.editor'

local function new(history, words)
  return editor.new(history or {}, function(before)
    local part = before:match '%w*$'
    local found = {}
    for _, word in ipairs(words or {}) do
      if word:sub(1, #part) == part then
        found[#found + 1] = word
      end
    end
    return found, part
  end)
end

local function typed(keys, history)
  local it = new(history)
  local event, text = it:feed(keys .. '\r')
  assert.equal('line', event)
  return text
end

describe('the line editor', function()
  it('moves, inserts and deletes', function()
    assert.equal('abc', typed 'abc')
    assert.equal('xabc', typed 'abc\1x')
    assert.equal('abxc', typed 'abc\27[Dx')
    assert.equal('ac', typed 'abc\27[D\127')
    assert.equal('ab', typed 'abc\27[D\27[3~')
    assert.equal('abcx', typed 'abc\27[H\27[Fx')
    assert.equal('one three', typed 'one two three\27b\23')
    assert.equal('cd', typed 'abcd\27[D\27[D\21')
    assert.equal('cdab', typed 'abcd\27[D\27[D\21\5\25')
    assert.equal('ab', typed 'abcd\2\2\11')
  end)

  it('counts characters, not bytes, and takes keys in parts', function()
    assert.equal('äx', typed 'äö\127x')
    assert.equal('xö', typed 'ö\27[Dx')
    local it = new()
    for byte in ('ä\27[D→'):gmatch '.' do
      assert.is_nil(it:feed(byte))
    end
    assert.same({ 'line', '→ä' }, { it:feed '\r' })
  end)

  it('browses what was typed before and comes back to the draft', function()
    local history = { 'first', 'second' }
    assert.equal('second', typed('\27[A', history))
    assert.equal('first', typed('\16\16\16', history))
    assert.equal('draft', typed('draft\27[A\27[A\27[B\27[B', history))
    local it = new(history)
    it:reset 'third'
    it:reset 'third'
    it:reset '  '
    assert.same({ 'first', 'second', 'third' }, history)
  end)

  it('completes what is clear and lists what is not', function()
    local it = new({}, { 'sleep', 'slow', 'spawn' })
    assert.is_nil(it:feed 'x.sp\9')
    assert.equal('x.spawn', it:text())
    it:reset()
    assert.same({ 'words', { 'sleep', 'slow' } }, { it:feed 'sl\9' })
    assert.is_nil(it:feed '\21zz\9')
    assert.equal('zz', it:text())
  end)

  it('leaves what comes after a line for the next one', function()
    local it = new()
    assert.same({ 'line', 'a' }, { it:feed 'a\rb\r' })
    it:reset()
    assert.same({ 'line', 'b' }, { it:feed '' })
    it:reset()
    assert.equal('eof', (it:feed '\4'))
    assert.equal('interrupt', (it:feed 'abc\3'))
  end)

  it('draws within the width and shows no control characters', function()
    local it = new()
    it:feed 'ab\27[D'
    assert.equal('\r> ab\27[K\r\27[3C', it:render('> ', 80))
    it:set(('x'):rep(100))
    local drawn = it:render('> ', 20)
    assert.equal(17, #drawn:match 'x+')
    it:set 'a\tb'
    assert.matches('a%?b', it:render('> ', 80))
  end)
end)
