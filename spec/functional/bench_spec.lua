-- SPDX-License-Identifier: MIT
-- The comparisons run: what they find is not asserted here, only that every call was answered with
-- its own bytes and that the lines have the promised form.
local cjson = require 'cjson'

local BUILD = os.getenv 'PERI_BUILD' or 'build/dev'

local function bench(...)
  local command = table.concat({ 'bench/run --build', BUILD, ... }, ' ')
  local pipe = assert(io.popen(command .. ' 2>/dev/null'))
  local text = pipe:read '*a'
  pipe:close()
  return text
end

describe('bench/run', function()
  it('names every case once', function()
    local seen, count = {}, 0
    for name in bench('--list'):gmatch '[^\n]+' do
      assert.is_nil(seen[name], name)
      seen[name] = true
      count = count + 1
    end
    assert.is_true(count >= 60)
  end)

  it('prints an object per case, with the figures or the reason', function()
    local line = bench("--quick --json --case 'echo, floor'")
    local case = cjson.decode(line)
    assert.equal('echo, floor', case.case)
    assert.equal('floor', case.peer)
    assert.same({ 2.5, 2 }, { case.must, case.aim })
    -- The peer's figure is there only if each of its calls succeeded.
    assert.is_number(case.peer_value)
    if case.cannot_run then
      assert.equal(cjson.null, case.ratio)
    else
      assert.is_true(case.ratio > 0)
    end
  end)

  it('refuses what it does not know', function()
    local status = os.execute 'bench/run --fast >/dev/null 2>&1'
    assert.equal(2, math.floor(status / 256))
  end)
end)
