-- SPDX-License-Identifier: MIT
-- The examples that need Java: each is one command, which builds its own.
local child = require 'spec.support.child'
local java = require 'spec.interop.java'
local lfs = require 'lfs'

local LIMIT = 300 -- seconds; Maven loads the libraries the first time

local function run(example)
  local binary = child.binary()
  if binary:sub(1, 1) ~= '/' then
    binary = lfs.currentdir() .. '/' .. binary
  end
  local exit = child.run(
    { ('examples/%s/run'):format(example) },
    { env = { PERI_BIN = binary }, limit = LIMIT }
  )
  assert.equal(0, exit.code, exit.output)
  return exit.output
end

describe('example', function()
  local why = java.missing()
  if why then
    pending(why)
    return
  end

  local function has(output, lines)
    for _, line in ipairs(lines) do
      assert.truthy(output:find(line .. '\n', 1, true), ('no "%s" in\n%s'):format(line, output))
    end
  end

  it('dubbo: each calls the other, and back', function()
    has(run 'dubbo', {
      'Java to Lua: MOON costs 1.5, 1099511627776 sold',
      'Java to Lua: UnknownSymbol, nobody sells MARS (MARS)',
      'Lua calls back: MOON costs 3.25',
      'Java to Lua: 2 of 3 were wanted',
      'Lua to Java: MOON costs 1.5, 1099511627776 sold',
      'Lua to Java: demo.UnknownSymbol, nobody sells MARS (MARS)',
      'Java calls back: MOON costs 3.25',
      'Lua to Java: 2 of 3 were wanted',
    })
  end)

  it('joyrpc-java: each calls the other', function()
    has(run 'joyrpc-java', {
      'Java to Lua: 1 seat',
      'Java to Lua: Ada pays 12.50 for train 7',
      'Java to Lua: SoldOut, train 7 is full (7)',
      'Lua to Java: 1 seat',
      'Lua to Java: Eve pays 6.25 for train 9 (demo.Ticket)',
      'Lua to Java: demo.SoldOut, train 9 is full (9)',
    })
  end)
end)
