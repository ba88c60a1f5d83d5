-- SPDX-License-Identifier: MIT
local patterns = require 'perilune.pattern'

describe('a Lua pattern', function()
  it('that is wrong is told without anything to match', function()
    for text, wrong in pairs {
      ['a['] = "misses the ']' of a set",
      ['[]'] = "misses the ']' of a set",
      ['[^]'] = "misses the ']' of a set",
      ['[%'] = "misses the ']' of a set",
      ['a%'] = "ends with '%'",
      ['%b('] = "misses the two characters of '%b'",
      ['%fa'] = "misses the set of '%f'",
      ['%f[a'] = "misses the ']' of a set",
      ['(a'] = "has a '(' without its ')'",
      ['a)'] = "has a ')' without its '('",
      ['%1'] = "refers to capture '%1', which is not there",
      ['(a%1)'] = "refers to capture '%1', which is not there",
      [('()'):rep(33)] = 'has more than 32 captures',
    } do
      assert.equal(wrong, patterns.wrong(text), text)
    end
    assert.equal('is a table', patterns.wrong {})
  end)

  it('that is right is left alone', function()
    for _, text in ipairs {
      '',
      '^%a+$',
      '[]]',
      '[^]a]',
      '[%]]',
      '[a-]',
      '(a)%1',
      '()(%w)%2',
      '%b()',
      '%f[%w]%w+',
      '^[%w_.$%-]+$',
      'a-b?c*$',
      '%%',
    } do
      assert.is_nil(patterns.wrong(text), text)
      assert.is_true(pcall(string.find, 'some (text)', text), text)
    end
  end)

  -- Whatever the VM refuses while it matches has been refused before.
  it('is wrong wherever the VM says so', function()
    local signs = { 'a', 'b', '(', ')', '[', ']', '%', '^', '$', '.', '*', '-', '1', 'f' }
    local seed = 7
    local function draw(n)
      seed = (seed * 1103515245 + 12345) % 2147483648
      return math.floor(seed / 65536) % n + 1
    end
    local function text(most)
      local parts = {}
      for i = 1, draw(most) do
        parts[i] = signs[draw(#signs)]
      end
      return table.concat(parts)
    end
    for _ = 1, 5000 do
      local pattern = text(6)
      for _, subject in ipairs { '', 'a', 'ab', '(a)', 'b1', text(6) } do
        if not pcall(string.find, subject, pattern) then
          assert.truthy(patterns.wrong(pattern), pattern)
        end
      end
    end
  end)
end)
