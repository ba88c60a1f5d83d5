-- SPDX-License-Identifier: MIT
-- What a line of the log says of the fields a script gives it.
local app = require 'spec.support.app'
local cjson = require 'cjson'

local SCRIPT = [[
local function nested(leaf, width, depth)
  for _ = 1, depth do
    local list = {}
    for i = 1, width do list[i] = leaf end
    leaf = list
  end
  return leaf
end
local circle = { name = 'c' }
circle.circle = circle
local odd = {
  nan = 0 / 0, huge = -math.huge, binary = 'a\255\128z', latin = '\228', control = 'a\0b', print = print,
  thread = coroutine.create(print), sparse = { 1, nil, 3 }, mixed = { 1, a = 2 }, keys = { [true] = 1 },
  bytes = perilune.bytes 'x', null = perilune.null, big = 2LL ^ 53, ['bad\255key'] = 1,
  array = setmetatable({ [3] = 1 }, getmetatable(perilune.array {})),
}
perilune.export { interface = 'demo.Log', service = { log = function(ctx)
  odd.ctx = ctx
  for name, value in pairs(odd) do
    perilune.log.info('odd', { name = 'known', [name] = value }, 'ODD-' .. name:gsub('[^a-z]', '-'))
  end
end } }
local log = perilune.refer { interface = 'demo.Log', url = 'inproc://' }
perilune.main(function()
  log:log()
  perilune.log.info('good', { utf = '\195\164\226\130\172\240\159\152\128', list = { 1, { a = 'b' } }, [1] = 'x', level = 'none', text = { text = 1 } }, 'GOOD')
  perilune.log.info('long', { a = ('\195\164'):rep(50000) }, 'LONG')
  perilune.log.info('quotes', { a = ('"\n'):rep(50000) }, 'QUOTES')
  perilune.log.info('wide', { args = nested('x', 32, 30) }, 'WIDE')
  perilune.log.info('deep', { args = nested({ ['.secret'] = 'hush' }, 1, 20), circle = circle }, 'DEEP')
end)
]]

describe('fields of a log line', function()
  teardown(app.stop_all)

  it('are all there, whatever one of them is, and never without end', function()
    local process = app.start(SCRIPT)
    process:wait()
    local lines = {}
    for text in process.output:gmatch '[^\n]+' do
      local ok, line = pcall(cjson.decode, text)
      if ok and line.tag then
        lines[line.tag] = line
      end
    end
    local odd = 0
    for tag, line in pairs(lines) do
      if tag:match '^ODD' then
        odd = odd + 1
        assert.equal('known', line.name, tag)
      end
    end
    assert.equal(16, odd)
    assert.equal('nan', lines['ODD-nan'].nan)
    assert.equal('-inf', lines['ODD-huge'].huge)
    assert.equal('a\\xFF\\x80z', lines['ODD-binary'].binary)
    assert.same({ ['1'] = 1, ['3'] = 3 }, lines['ODD-sparse'].sparse)
    assert.same({ ['1'] = 1, a = 2 }, lines['ODD-mixed'].mixed)
    assert.equal(2 ^ 53, lines['ODD-big'].big)
    assert.equal(1, lines['ODD-bad-key']['bad\\xFFkey'])
    assert.equal('ctx of demo.Log.log', lines['ODD-ctx'].ctx)
    assert.equal('\195\164\226\130\172\240\159\152\128', lines.GOOD.utf)
    assert.same({ 1, { a = 'b' } }, lines.GOOD.list)
    assert.equal('x', lines.GOOD['1'])
    assert.same({ 'info', 'good' }, { lines.GOOD.level, lines.GOOD.text })
    assert.same({ 'none', { text = 1 } }, { lines.GOOD.level_, lines.GOOD.text_ })
    assert.matches('\195\164%.%.%.$', lines.LONG.a)
    assert.matches('^"\n.*%.%.%.$', lines.QUOTES.a)
    assert.equal('table', type(lines.WIDE.args))
    assert.equal('c', lines.DEEP.circle.circle.name)
    assert.is_nil(process.output:find('hush', 1, true))
  end)
end)
