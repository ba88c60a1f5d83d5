-- SPDX-License-Identifier: MIT
-- What scripts are promised of the LuaJIT that the binary was built with.
local app = require 'spec.support.app'

-- Once the outer loop has been tried in vain often enough it is patched to be never compiled again; LuaJIT of
-- before April 2022 then ends it after one element (its issue 827).
local PAIRS = [[
perilune.main(function()
  local inner = { 1, 2, 3, 4, 5 }
  local outer = { a = inner, b = inner, c = inner, d = inner, e = inner }
  local function leave_compiled_code(...) for _ = 1, 100 do end end
  local short = 0
  for _ = 1, 20000 do
    leave_compiled_code()
    local count = 0
    for _, list in pairs(outer) do
      for _ in pairs(list) do end
      count = count + 1
    end
    short = short + (count == 5 and 0 or 1)
  end
  print('ended early: ' .. short)
end)
]]

describe('LuaJIT', function()
  after_each(app.stop_all)

  it('does not end a pairs loop early when there is another one in it', function()
    local process = app.start(PAIRS, { args = { '--workers', '1' } })
    process:wait()
    assert.matches('ended early: 0\n', process.output)
  end)

  it('compiles or not as the top level of a script said', function()
    local main = 'perilune.main(function() print((jit.status())) end)'
    for before, wanted in pairs { [''] = 'true\n', ['jit.off() '] = 'false\n' } do
      local process = app.start(before .. main)
      process:wait()
      assert.equal(wanted, process.output)
    end
  end)
end)
