-- SPDX-License-Identifier: MIT
local ffi = require 'ffi'
local c = require 'spec.support.c'

local lib = c.cdef('base/err.h')

local function name(code)
  return ffi.string(lib.peri_code_name(code))
end

describe('base/err', function()
  it('finds every name again by its code', function()
    for wire = 1, 28 do
      local text = name(-wire)
      assert.equal(-wire, lib.peri_code_by_name(text))
      assert.is_true(#ffi.string(lib.peri_code_text(-wire)) > 0)
    end
  end)

  it('keeps the wire numbers', function()
    assert.equal(-1, lib.PERI_ECANCELLED)
    assert.equal(-5, lib.PERI_ENOT_FOUND)
    assert.equal(-17, lib.PERI_EOVERLOADED)
    assert.equal(-28, lib.PERI_ECALL_OVER)
  end)

  it('names zero OK and a stranger UNKNOWN', function()
    assert.equal('OK', name(0))
    assert.equal('UNKNOWN', name(-4711))
    assert.equal('UNKNOWN', name(4711))
    assert.equal('UNKNOWN', name(-2147483648))
  end)

  it('has no code for an unknown name', function()
    assert.equal(1, lib.peri_code_by_name('NO_SUCH_CODE'))
    assert.equal(1, lib.peri_code_by_name(''))
    assert.equal(0, lib.peri_code_by_name('OK'))
  end)

  it('says which codes alone allow another try', function()
    assert.is_true(lib.peri_code_retry(lib.PERI_EOVERLOADED))
    assert.is_true(lib.peri_code_retry(lib.PERI_ESHUTDOWN))
    assert.is_false(lib.peri_code_retry(lib.PERI_ETIMEOUT))
    assert.is_false(lib.peri_code_retry(lib.PERI_EUNKNOWN))
  end)

  it('maps to the numbers of other protocols', function()
    assert.equal(5, lib.peri_code_map(lib.PERI_ENOT_FOUND, lib.PERI_MAP_GRPC))
    assert.equal(404, lib.peri_code_map(lib.PERI_ENOT_FOUND, lib.PERI_MAP_HTTP))
    assert.equal(-32601, lib.peri_code_map(lib.PERI_ENO_METHOD, lib.PERI_MAP_JSONRPC))
    assert.equal(200, lib.peri_code_map(0, lib.PERI_MAP_HTTP))
  end)

  it('fills an error in one statement', function()
    local err = ffi.new('peri_err')
    assert.equal(
      lib.PERI_ETOO_BIG,
      lib.peri_fail(err, lib.PERI_ETOO_BIG, '%s is %d', 'x', ffi.new('int', 7))
    )
    assert.equal(lib.PERI_ETOO_BIG, err.code)
    assert.equal('x is 7', ffi.string(err.text))
  end)

  it('cuts a long text and tolerates a missing error', function()
    local err = ffi.new('peri_err')
    lib.peri_fail(err, lib.PERI_ECONFIG, '%s', ('x'):rep(1000))
    assert.equal(('x'):rep(255), ffi.string(err.text))
    assert.equal(lib.PERI_ECONFIG, lib.peri_fail(nil, lib.PERI_ECONFIG, 'nobody reads this'))
  end)

  it('reads macros', function()
    assert.equal(1, c.macro('base/err.h', 'PERI_AGAIN'))
  end)
end)
