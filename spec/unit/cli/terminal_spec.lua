-- SPDX-License-Identifier: MIT
describe('cli.terminal', function()
  local terminal

  setup(function()
    package.loaded['perilune.core'] = {
      is_terminal = function()
        return false
      end,
    }
    terminal = require 'perilune.cli.terminal'
  end)

  it('lays JSON out without touching strings and numbers', function()
    local text = [[{"a":[1,2.50,"x,{\"]:"],"empty":{},"none":[],"b":{"c":null}}]]
    assert.equal(
      [[
{
  "a": [
    1,
    2.50,
    "x,{\"]:"
  ],
  "empty": {},
  "none": [],
  "b": {
    "c": null
  }
}]],
      terminal.pretty(text)
    )
    assert.equal('"a\\\\"', terminal.pretty '"a\\\\"')
    assert.equal('null', terminal.pretty 'null')
  end)

  it('aligns columns, numbers to the right', function()
    assert.equal('name    1\nb     100', terminal.columns { { 'name', 1 }, { 'b', 100 } })
  end)

  it('keeps colour from what is no terminal', function()
    assert.equal('text', terminal.color('red', 'text'))
  end)
end)
