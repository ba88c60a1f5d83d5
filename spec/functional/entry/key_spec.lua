-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('policy.key', function()
  it(
    'gives the text that signatures are made of',
    inside(function()
      local key = perilune.policy.key
      assert.equal('m\0mn1 s2:12tfz', (key('m', { 1, '12', true, false, nil }, 5)))
      assert.equal('\0m{2 n1 s1:an2 s1:b', (key('', { { 'a', 'b' } }, 1)))
      assert.equal(
        '\0m{3 s1:an0.5 s2:aan-0 s1:b{0 ',
        (key('', { { b = {}, a = 0.5, aa = -0.0 } }, 1))
      )
      assert.equal(
        '\0m{4 ts1:xn-2 s1:yn1.5 s1:zs1:kt',
        (key('', { { [true] = 'x', [-2] = 'y', [1.5] = 'z', k = true } }, 1))
      )
      assert.equal(
        '\0mn9223372036854775807 n18446744073709551615 ',
        (key('', { 9223372036854775807LL, 18446744073709551615ULL }, 2))
      )
      assert.equal('\0muserdata2:ab', (key('', { perilune.bytes 'ab' }, 1)))
    end)
  )

  it(
    'is nothing for what is too large or has no order, at once',
    inside(function()
      local key = perilune.policy.key
      for _, leaf in ipairs { 'x', print } do -- Lua writes what C cannot
        local deep = { leaf }
        for _ = 1, 28 do
          deep = { deep, deep, deep }
        end
        assert.is_nil((key('', { deep }, 1)))
      end
      assert.is_nil((key('', { { [{}] = print, [{ 1 }] = print } }, 1)))
      assert.equal('\0mfunction', (key('', { print }, 1)):sub(1, 10))
    end)
  )

  it(
    'is the same in C and in Lua, for all that both can write',
    inside(function()
      local keys = require 'perilune.entry.key'
      math.randomseed(7)
      local random = math.random
      local scalars = {
        function()
          return random(-5, 5)
        end,
        function()
          return (random() - 0.5) * 10 ^ random(-30, 30)
        end,
        function()
          return random(2 ^ 30) * 2 ^ random(20, 40)
        end,
        function()
          return ('\0a\255z'):sub(random(4), random(4)):rep(random(0, 3))
        end,
        function()
          return random() < 0.5
        end,
      }
      local function scalar()
        return scalars[random(#scalars)]()
      end
      local function value(depth)
        if depth == 0 or random() < 0.4 then
          return random() < 0.05 and perilune.null or scalar()
        end
        local made = {}
        for i = 1, random(0, depth == 1 and 20 or 3) do
          local name = random() < 0.3 and i or scalar()
          if name == name then
            made[name] = value(depth - 1)
          end
        end
        if random() < 0.2 then
          return perilune.typed('a.Class', made)
        end
        return made
      end
      for _ = 1, 500 do
        local values, n = {}, random(0, 4)
        for i = 1, n do
          values[i] = random() > 0.1 and value(4) or nil
        end
        local wanted, given = keys.written('m\0m', values, n, 1e6), keys.of('m', values, n, 1e6)
        if given ~= wanted then
          error(('%q, wanted %q'):format(given, wanted))
        end
      end
      local special = { 1 / 0, -1 / 0, 0 / 0, 1e14, 1e15, 2 ^ 53, -2 ^ 53 - 2, 1e300, 5e-324 }
      for _, number in ipairs(special) do
        assert.equal(keys.written('\0m', { number }, 1, 99), (keys.of('', { number }, 1, 99)))
      end
    end)
  )

  it(
    'gives nothing for what is too long, too deep or a circle, and leaves the rest to Lua',
    inside(function()
      local key = perilune.policy.key
      local function nested(depth)
        return depth > 0 and { nested(depth - 1) } or 'x'
      end
      local circle = {}
      circle[1] = circle
      assert.is_nil((key('', { circle }, 1)))
      assert.truthy(key('', { nested(31) }, 1))
      assert.is_nil((key('', { nested(32) }, 1)))
      assert.equal('\0ms7:1234567', (key('', { '1234567' }, 1, 12)))
      assert.is_nil((key('', { '1234567' }, 1, 11)))
      assert.is_nil((key('prefix', {}, 0, 5)))
      assert.is_nil((key('', { { ('x'):rep(100), ('x'):rep(100) } }, 1, 150)))
      assert.equal('\0m{2 n1 s1:an3 s1:c', (key('', { { 'a', nil, 'c' } }, 1)))
      assert.truthy(key('', { print }, 1):find '^%zmfunction')
      local many = {}
      for i = 1, 300 do
        many[i] = i
      end
      assert.truthy(key('', many, 300):find ' n300 $')
    end)
  )
end)

describe('policy.kept', function()
  it(
    'copies what outlives its call, with its classes, and tells its size',
    inside(function()
      local kept = perilune.policy.kept
      local class = perilune.typed('a.Class', { 1, 2, x = { y = perilune.null } })
      local value = { class, [3] = 'three', [0] = true, list = perilune.array {} }
      local copy, bytes = kept(value)
      assert.same(value, copy)
      assert.equal('a.Class', perilune.class_of(copy[1]))
      assert.equal(getmetatable(value.list), getmetatable(copy.list))
      assert.truthy(copy ~= value and copy[1] ~= class and copy[1].x ~= class.x)
      assert.equal(4 * 64 + 8 * 32 + 8 + 8 + 8 + 5 + 8, bytes)
      assert.same({ 'text', 4 }, { kept 'text' })
      assert.same({ false, 8 }, { kept(false) })
      assert.same({ perilune.null, 8 }, { kept(perilune.null) })
      local circle = {}
      circle.self = circle
      for _, wrong in ipairs { circle, print, { { print } }, { perilune.bytes 'x' }, { 1LL } } do
        assert.equal(0, select('#', kept(wrong)))
      end
      assert.is_nil((kept(nil)))
    end)
  )
end)
