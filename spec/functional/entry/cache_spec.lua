-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('filter cache', function()
  it(
    'keeps nothing that costs more than it may, however few tables it is made of',
    inside(function()
      -- 31 tables that each stand twice in the next: a copy would be a thousand million of them.
      local value = { 1 }
      for _ = 1, 30 do
        value = { value, value }
      end
      assert.is_nil((perilune.policy.kept(value)))
      assert.is_nil((perilune.policy.kept({ ('x'):rep(100) }, 150)))
      local copied, cost = perilune.policy.kept({ ('x'):rep(100) }, 300)
      assert.same({ ('x'):rep(100) }, copied)
      assert.is_true(cost > 100 and cost <= 300)
    end)
  )

  it(
    'answers equal calls from what was answered before, until it is too old',
    inside(function()
      local calls = 0
      local service = {
        price = function(_, what)
          calls = calls + 1
          return { what = what, n = calls }
        end,
      }
      for _, side in ipairs { 'provider', 'consumer' } do
        calls = 0
        local options = { cache = { ttl = 1000 } }
        local proxy = serve(service, side == 'provider' and options, side == 'consumer' and options)
        assert.equal(1, proxy:price({ id = 1, kind = 'a' }).n)
        assert.equal(1, proxy:price({ kind = 'a', id = 1 }).n)
        assert.equal(2, proxy:price({ id = 2, kind = 'a' }).n)
        assert.equal(3, proxy:price('id').n)
        assert.equal(3, proxy:price('id').n)
        advance(1100)
        assert.equal(4, proxy:price('id').n)
      end
    end)
  )

  it(
    'keeps methods apart and copies of tables, so that nobody changes what others get',
    inside(function()
      local state = { list = { 1, 2 } }
      local proxy = serve({
        a = function()
          return state
        end,
        b = function()
          return 'b'
        end,
      }, nil, { cache = 1000 })
      local mine = proxy:a()
      mine.list[1] = 'changed'
      assert.same({ list = { 1, 2 } }, (proxy:a()))
      proxy:a().list[2] = 'changed'
      assert.same({ list = { 1, 2 } }, (proxy:a()))
      assert.equal('b', (proxy:b()))

      local own = serve({
        a = function()
          return state
        end,
      }, { cache = 1000 })
      own:a()
      state.list[1] = 'later'
      assert.same({ list = { 1, 2 } }, (own:a()))
    end)
  )

  it(
    'keeps nil only when asked to, and failures never',
    inside(function()
      local calls, fail = 0, true
      local service = {
        nothing = function()
          calls = calls + 1
        end,
        broken = function()
          calls = calls + 1
          if fail then
            return nil, perilune.error('NOT_FOUND', 'x')
          end
          return 'mended'
        end,
      }
      local proxy = serve(service, { cache = 1000 })
      proxy:nothing()
      proxy:nothing()
      assert.equal(2, calls)
      calls = 0
      local nulls = serve(service, { cache = { ttl = 1000, nulls = true } })
      assert.is_nil(nulls:nothing())
      local result, err = nulls:nothing()
      assert.is_nil(result)
      assert.is_nil(err)
      assert.equal(1, calls)
      err = select(2, nulls:broken())
      assert.equal('NOT_FOUND', err.code)
      fail = false
      assert.equal('mended', (nulls:broken()))
    end)
  )

  it(
    'lets one call ask for all that are equal',
    inside(function()
      local calls, release = 0, nil
      local proxy = serve({
        slow = function(_, key)
          calls = calls + 1
          local done, settle = perilune.future()
          release = settle
          return key .. (done:await())
        end,
      }, { cache = 1000 }, { timeout = 10000 })
      local list = {}
      for i = 1, 5 do
        list[i] = perilune.async(proxy):slow 'a'
      end
      turns(5)
      assert.equal(1, calls)
      release '!'
      assert.same({ 'a!', 'a!', 'a!', 'a!', 'a!' }, (perilune.all(list):await()))
      assert.equal(1, calls)
      assert.equal('a!', (proxy:slow 'a'))
    end)
  )

  it(
    'lets those who wait keep to their own deadline, and share a failure',
    inside(function()
      local calls, release = 0, nil
      local proxy = serve({
        slow = function()
          calls = calls + 1
          local done, settle = perilune.future()
          release = settle
          return done:await()
        end,
      }, nil, { cache = 1000, timeout = 10000 })
      local first = perilune.async(proxy):slow()
      turns(3)
      local hasty = perilune.async(perilune.with(proxy, { timeout = 50 })):slow()
      local patient = perilune.async(proxy):slow()
      turns(3)
      advance(60)
      local _, err = hasty:await()
      assert.equal('TIMEOUT', err.code)
      release(nil, perilune.error('DATA_LOSS', 'disk'))
      for _, future in ipairs { first, patient } do
        _, err = future:await()
        assert.equal('DATA_LOSS', err.code)
      end
      assert.equal(1, calls)
    end)
  )

  it(
    'lets another ask when the first gives up',
    inside(function()
      local calls, release, gates = 0, nil, {}
      local service = {
        slow = function()
          calls = calls + 1
          local done, settle = perilune.future()
          release = settle
          gates[#gates + 1] = settle
          return done:await()
        end,
      }
      -- Its deadline on the consumer, its cancellation on the provider.
      local proxy = serve(service, nil, { cache = 1000, timeout = 10000 })
      local first = perilune.async(perilune.with(proxy, { timeout = 50 })):slow()
      turns(3)
      local others = { perilune.async(proxy):slow(), perilune.async(proxy):slow() }
      turns(3)
      assert.equal(1, calls)
      advance(60)
      local _, err = first:await()
      assert.equal('TIMEOUT', err.code)
      eventually(function()
        return calls == 2
      end)
      release 'second'
      assert.same({ 'second', 'second' }, (perilune.all(others):await()))

      calls = 0
      proxy = serve(service, { cache = 1000 }, { timeout = 10000 })
      first = perilune.async(proxy):slow()
      eventually(function()
        return calls == 1
      end)
      local other = perilune.async(proxy):slow()
      turns(3)
      assert.equal(1, calls)
      first:cancel()
      eventually(function()
        return calls == 2
      end)
      release 'third'
      assert.equal('third', (other:await()))
      for _, settle in ipairs(gates) do
        settle(true)
      end
    end)
  )

  it(
    'lets every caller ask for what cannot be kept',
    inside(function()
      local calls, gate = 0, {}
      local proxy = serve({
        echo = function(_, body)
          calls = calls + 1
          local done, settle = perilune.future()
          gate[#gate + 1] = settle
          done:await()
          return body
        end,
      }, { cache = 1000, methods = { echo = { body = true } } })
      local list = { perilune.async(proxy):echo 'x', perilune.async(proxy):echo 'x' }
      turns(5)
      assert.equal(1, calls)
      gate[1](true)
      eventually(function()
        return gate[2]
      end)
      gate[2](true)
      perilune.all(list):await()
      assert.equal(2, calls)
    end)
  )

  it(
    'is bounded in entries and bytes; what was not used for longest goes first',
    inside(function()
      local lru = perilune.use('cache', { 'lru', capacity = 3, bytes = 1000 })
      for _, key in ipairs { 'a', 'b', 'c' } do
        lru.set(key, key, nil, 10)
      end
      assert.equal('a', lru.get 'a')
      lru.set('d', 'd', nil, 10)
      assert.is_nil(lru.get 'b')
      assert.equal('a', lru.get 'a')
      lru.set('large', 'x', nil, 990)
      assert.same({ entries = 1, bytes = 995, evicted = 4 }, lru.stats())
      assert.is_false(lru.set('larger', 'x', nil, 2000))
      lru.remove 'large'
      lru.remove 'large'
      assert.same({ entries = 0, bytes = 0, evicted = 4 }, lru.stats())
      lru.set('short', 1, 10, 1)
      advance(20)
      assert.is_nil(lru.get 'short')
      assert.equal(0, lru.stats().entries)
    end)
  )

  it(
    'tells keys apart, by all arguments or by some fields',
    inside(function()
      local arguments = perilune.use('cache_key', 'arguments')
      local seen = {}
      local function key(...)
        return arguments(nil, { method = 'm', args = { n = select('#', ...), ... } })
      end
      local different = {
        key(),
        key(nil),
        key(nil, nil),
        key '',
        key(1),
        key '1',
        key(true),
        key 'true',
        key('a', 'b'),
        key 'ab',
        key { 'a', 'b' },
        key { a = 'b' },
        key { { a = 'b' } },
        key(perilune.null),
        key '\0m',
        key 's1:a',
        key('\0s', ''),
        key { [1] = 'x' },
        key { ['1'] = 'x' },
      }
      for i, text in ipairs(different) do
        assert.is_nil(seen[text], i)
        seen[text] = true
      end
      assert.equal(key { a = 1, b = { c = 2 } }, key { b = { c = 2 }, a = 1 })
      local circle = {}
      circle.self = circle
      assert.is_falsy(key(circle))
      assert.is_nil(key({ ('x'):rep(70000) }))

      local fields =
        assert(perilune.use('cache_key', { 'fields', of = { '1.user.id', '@lang', 'identity' } }))
      local function of(id, lang, identity, other)
        local call = {
          method = 'm',
          args = { { user = { id = id, other = other } } },
          attachments = { lang = lang },
        }
        return fields({ identity = identity }, call)
      end
      assert.equal(of(1, 'de', 'eve', 'x'), of(1, 'de', 'eve', 'y'))
      assert.truthy(of(1, 'de', 'eve') ~= of(2, 'de', 'eve'))
      assert.truthy(of(1, 'de', 'eve') ~= of(1, 'fr', 'eve'))
      assert.truthy(of(1, 'de', 'eve') ~= of(1, 'de', 'ann'))
      assert.is_nil((perilune.use('cache_key', { 'fields', of = { 'user' } })))
    end)
  )

  it(
    'works with a store and a key of its own; a store that throws fails one call',
    inside(function()
      local kept, broken = {}, false
      perilune.cache('mine', {
        get = function(key)
          if broken then
            error 'a bug'
          end
          perilune.sleep(0)
          return kept[key]
        end,
        set = function(key, entry)
          kept[key] = entry
        end,
        remove = function(key)
          kept[key] = nil
        end,
      })
      local calls = 0
      local proxy = serve({
        f = function(_, n)
          calls = calls + 1
          return n
        end,
      }, {
        cache = {
          store = 'mine',
          key = function(_, call)
            return call.args[1] < 10 and 'small' or nil
          end,
        },
      })
      assert.equal(1, (proxy:f(1)))
      assert.equal(1, (proxy:f(2)))
      assert.equal(11, (proxy:f(11)))
      assert.equal(12, (proxy:f(12)))
      assert.equal(3, calls)
      broken = true
      local _, err = proxy:f(1)
      assert.equal('INTERNAL', err.code)
      broken = false
      assert.equal(1, (proxy:f(1)))
    end)
  )

  it(
    'tells methods apart whatever the key says, and services in a store that they share',
    inside(function()
      local kept = {}
      perilune.cache('common', {
        get = function(key)
          return kept[key]
        end,
        set = function(key, entry)
          kept[key] = entry
        end,
        remove = function() end,
      })
      local function says(text)
        return function()
          return text
        end
      end
      local function by_first(_, call)
        return tostring(call.args[1])
      end
      for _, conf in ipairs { { key = by_first }, { store = 'common' } } do
        local proxy = serve({ a = says 'a', b = says 'b' }, nil, { cache = conf })
        local other = serve({ a = says 'other' }, nil, { cache = conf })
        for _ = 1, 2 do
          assert.equal('a', (proxy:a(1)))
          assert.equal('b', (proxy:b(1)))
          assert.equal('other', (other:a(1)))
        end
      end
    end)
  )

  it(
    'lets nobody wait for an answer that a store would not take',
    inside(function()
      perilune.cache('full', {
        get = function() end,
        set = function()
          error 'no room'
        end,
        remove = function() end,
      })
      local calls = 0
      local proxy = serve({
        f = function()
          calls = calls + 1
          perilune.sleep(0)
          return 'answer'
        end,
      }, { cache = { store = 'full' } })
      local futures = {}
      for i = 1, 3 do
        futures[i] = perilune.async(proxy):f()
      end
      for i = 1, 3 do
        local _, err = futures[i]:await()
        assert.equal('INTERNAL', err.code, i)
      end
      assert.equal(3, calls)
    end)
  )
end)
