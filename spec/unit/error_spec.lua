-- SPDX-License-Identifier: MIT
local errors = require 'perilune.error'

describe('error', function()
  it('mirrors src/base/err_defs.h', function()
    local file = assert(io.open('src/base/err_defs.h'))
    local text = file:read '*a'
    file:close()
    local seen = 0
    for name, wire, retry in text:gmatch 'X%(([A-Z_]+), (%d+), ([01]),' do
      seen = seen + 1
      assert.is_table(errors.codes[name], name)
      assert.equal(tonumber(wire), errors.codes[name][1], name)
      assert.equal(retry == '1', errors.codes[name][2], name)
    end
    local count = 0
    for _ in pairs(errors.codes) do
      count = count + 1
    end
    assert.equal(count, seen)
  end)

  it('derives retryable from the outcome, then from the code', function()
    assert.is_true(errors.new('OVERLOADED').retryable)
    assert.is_false(errors.new('NOT_FOUND').retryable)
    assert.is_true(errors.new('TIMEOUT', 'x', { outcome = 'NOT_SENT' }).retryable)
    assert.is_false(errors.new('CLOSED', 'x', { outcome = 'UNKNOWN' }).retryable)
    assert.is_true(errors.new('CLOSED', 'x', { outcome = 'UNKNOWN', retryable = true }).retryable)
  end)

  it('refuses a code that does not exist and says which was meant', function()
    local ok, message = pcall(errors.error, 'NOT_FUOND', 'x')
    assert.is_false(ok)
    assert.truthy(message:find("no code 'NOT_FUOND'; did you mean 'NOT_FOUND'?", 1, true))
  end)

  it('refuses a message that is no string', function()
    assert.has_error(function()
      errors.error('NOT_FOUND', {})
    end)
  end)

  it('turns anything into an error', function()
    local err = errors.error('NOT_FOUND', 'no such thing', { id = 1 })
    assert.equal(err, errors.from(err))
    assert.equal('UNKNOWN', errors.from('boom').code)
    assert.equal('boom', errors.from('boom').message)
    assert.equal('LIMITED', errors.from({ code = 'LIMITED', message = 'm' }).code)
    assert.same({ id = 1 }, err.details)
  end)

  it('prints code, message and what was tried', function()
    local err = errors.new('UNAVAILABLE', 'no luck', {
      attempts = {
        { address = 'a:1', code = 'CLOSED' },
        { address = 'b:1', code = 'TIMEOUT' },
      },
    })
    assert.equal('UNAVAILABLE: no luck (tried a:1 CLOSED, b:1 TIMEOUT)', tostring(err))
  end)

  it('measures names', function()
    assert.equal(0, errors.distance('p2c', 'p2c', 5))
    assert.equal(1, errors.distance('p2x', 'p2c', 5))
    assert.equal(1, errors.distance('ab', 'ba', 5))
    assert.equal(2, errors.distance('abc', 'xyz', 2))
  end)
end)
