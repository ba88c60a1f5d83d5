-- SPDX-License-Identifier: MIT
local ffi = require 'ffi'
local c = require 'spec.support.c'
local lib = c.cdef('base/err.h', 'process/shared.h')

ffi.cdef 'void free(void *);'

describe('process.shared', function()
  local shared, now

  local function new(limits)
    return ffi.gc(lib.peri_shared_new(limits), lib.peri_shared_free)
  end

  before_each(function()
    shared, now = new(nil), 1000
  end)

  local function incr(key, by, limit)
    local sum = ffi.new 'double[1]'
    local most = limit and ffi.new('double[1]', limit)
    local code = lib.peri_shared_incr(shared, key, #key, by, most, now, sum)
    return code == 0 and sum[0] or nil, code
  end

  local function get(key)
    local value = lib.peri_shared_get(shared, key, #key, now)
    if value.type == lib.PERI_SHARED_STRING then
      local text = ffi.string(value.text, value.len)
      ffi.C.free(value.text)
      return text
    elseif value.type == lib.PERI_SHARED_NONE then
      return nil
    end
    return value.number
  end

  local function set(key, text, ttl)
    local value = ffi.new 'peri_shared_value'
    if text then
      value.type, value.text, value.len = lib.PERI_SHARED_STRING, ffi.cast('char *', text), #text
    end
    return lib.peri_shared_set(shared, key, #key, value, ttl or 0, now)
  end

  it('counts from zero', function()
    assert.equal(1, incr('a', 1))
    assert.equal(3.5, incr('a', 2.5))
    assert.equal(3.5, get 'a')
    assert.is_nil(get 'b')
  end)

  it('leaves a counter alone that would exceed its limit', function()
    assert.equal(2, incr('calls', 2, 2))
    local sum, code = incr('calls', 1, 2)
    assert.is_nil(sum)
    assert.equal(lib.PERI_ELIMITED, code)
    assert.equal(2, get 'calls')
    assert.equal(1, incr('calls', -1, 2))
    assert.equal(2, incr('calls', 1, 2))
  end)

  it('does not count in what is not a number', function()
    set('name', 'moon')
    local _, code = incr('name', 1)
    assert.equal(lib.PERI_EBAD_REQUEST, code)
  end)

  it('forgets what has expired', function()
    set('token', 'abc', 50)
    now = now + 49
    assert.equal('abc', get 'token')
    now = now + 1
    assert.is_nil(get 'token')
    assert.equal(0, lib.peri_shared_count(shared))
  end)

  it('removes by setting nothing', function()
    set('k', 'v')
    set('k', nil)
    assert.is_nil(get 'k')
  end)

  it('throws out the oldest entry when full, never a counter', function()
    local limits = ffi.new('peri_shared_limits', 10, 3, 255, 100, 10000)
    shared = new(limits)
    incr('counter', 7)
    for i = 1, 5 do
      set('k' .. i, 'v' .. i)
    end
    assert.is_nil(get 'k1')
    assert.is_nil(get 'k2')
    assert.equal('v3', get 'k3')
    assert.equal('v5', get 'k5')
    assert.equal(7, get 'counter')
    assert.equal(2, tonumber(lib.peri_shared_evicted(shared)))
  end)

  it('bounds keys, values and bytes', function()
    shared = new(ffi.new('peri_shared_limits', 1, 100, 8, 10, 30))
    assert.equal(lib.PERI_ETOO_BIG, set('123456789', 'v'))
    assert.equal(lib.PERI_ETOO_BIG, set('k', ('v'):rep(11)))
    for i = 1, 10 do
      assert.equal(0, set('k' .. i, ('v'):rep(8)))
    end
    assert.is_true(lib.peri_shared_count(shared) <= 3)
    assert.equal(1, incr('one', 1))
    local _, code = incr('two', 1)
    assert.equal(lib.PERI_ELIMITED, code)
  end)

  it('finds every one of many keys', function()
    for i = 1, 5000 do
      incr('key' .. i, i)
    end
    for i = 1, 5000 do
      assert.equal(i, get('key' .. i))
    end
  end)

  describe('take', function()
    local function take(key, options)
      return lib.peri_shared_take(
        shared,
        key,
        #key,
        options.interval or 100,
        options.burst or 1,
        options.cost or 1,
        options.max_wait or 0,
        options.keep or false,
        now
      )
    end

    it('admits a burst, then one per interval', function()
      local rate = { burst = 3 }
      assert.same({ 0, 0, 0 }, { take('a', rate), take('a', rate), take('a', rate) })
      assert.equal(-100, take('a', rate))
      now = now + 60
      assert.equal(-40, take('a', rate))
      now = now + 40
      assert.equal(0, take('a', rate))
      assert.equal(-100, take('a', rate))
      now = now + 100000
      for _ = 1, 3 do
        assert.equal(0, take('a', rate))
      end
      assert.is_true(take('a', rate) < 0)
      assert.equal(0, take('b', rate))
    end)

    it('lets calls wait for their turn, at most so long', function()
      local rate = { max_wait = 250 }
      assert.same({ 0, 100, 200, -50 }, {
        take('a', rate),
        take('a', rate),
        take('a', rate),
        take('a', rate),
      })
    end)

    it('counts a call for more than one, and never one that is too large', function()
      assert.equal(0, take('a', { burst = 5, cost = 4 }))
      assert.equal(-100, take('a', { burst = 5, cost = 2 }))
      assert.equal(0, take('a', { burst = 5, cost = 1 }))
      assert.is_true(take('c', { burst = 1, cost = 2 }) < 0)
      assert.equal(1, lib.peri_shared_count(shared), 'what counted nothing takes no memory')
    end)

    it('takes no memory for buckets that are full again', function()
      take('a', {})
      now = now + 101
      assert.equal(0, take('a', {}))
      now = now + 102
      assert.is_nil(get 'a')
      assert.equal(0, lib.peri_shared_count(shared))
    end)

    it('throws the oldest key out when the store is full, or refuses to', function()
      shared = new(ffi.new('peri_shared_limits', { 2, 2, 10, 10, 1000 }))
      take('a', {})
      take('b', {})
      assert.is_true(take('c', { keep = true }) ~= take('c', { keep = true }), 'NaN')
      assert.equal(0, take('c', {}))
      assert.equal(0, take('a', {}))
      now = now + 1000
      assert.equal(0, take('d', { keep = true }))
    end)

    it('refuses keys that are too long or hold something else', function()
      local function refused(key)
        local wait = take(key, {})
        return wait ~= wait
      end
      incr('counter', 1)
      set('text', 'x')
      assert.is_true(refused 'counter')
      assert.is_true(refused 'text')
      assert.is_true(refused(('x'):rep(256)))
    end)
  end)
end)
