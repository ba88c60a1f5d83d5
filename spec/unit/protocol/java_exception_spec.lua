-- SPDX-License-Identifier: MIT
local values = require 'spec.support.values'

package.loaded['perilune.core'] = package.loaded['perilune.core'] or values
local errors = require 'perilune.error'
local exceptions = require 'perilune.protocol.java_exception'

local typed = values.typed
local STOOD_FOR = 'com.alibaba.dubbo.rpc.service.GenericException'

describe('protocol/java_exception', function()
  local function attach(thrown)
    return exceptions.attach(errors.new('UNKNOWN', 'said'), thrown)
  end

  it('tells class, fields and causes, typed or wrapped by one of ours', function()
    local cloud = typed('demo.Cloud', { detailMessage = 'a cloud' })
    for _, thrown in ipairs {
      typed('demo.Gone', { code = 7, cause = cloud }),
      {
        ['@class'] = 'demo.Gone',
        ['@fields'] = {
          code = 7,
          cause = { ['@class'] = 'demo.Cloud', ['@fields'] = { detailMessage = 'a cloud' } },
        },
      },
    } do
      local err = attach(thrown)
      assert.same({ 'demo.Gone', 'said', 7 }, { err.class, err.message, err.details.code })
      assert.same({ 'demo.Cloud', 'a cloud' }, { err.cause.class, err.cause.message })
    end
    for _, thrown in ipairs {
      5,
      { ['@class'] = 5, ['@fields'] = {} },
      { ['@class'] = 'a', ['@fields'] = 1 },
    } do
      local err = attach(thrown)
      assert.is_nil(err.class)
      assert.equal(thrown, err.details)
    end
  end)

  it('tells which one a generic exception stands for', function()
    local text = 'demo.Gone: no moon\ndemo.Gone: no moon\n\tat demo.Gone'
    local fields =
      { exceptionClass = 'demo.Gone', exceptionMessage = 'no moon', detailMessage = text }
    local json =
      { ['@type'] = STOOD_FOR, exceptionClass = 'demo.Gone', exceptionMessage = 'no moon' }
    for _, thrown in ipairs { typed(STOOD_FOR, fields), json } do
      local err = attach(thrown)
      assert.same({ 'demo.Gone', 'no moon' }, { err.class, err.message })
      assert.same({ detailMessage = 'no moon' }, err.details)
    end
    fields.exceptionMessage = nil
    assert.equal('demo.Gone', attach(typed(STOOD_FOR, fields)).message)
    fields.exceptionClass = 5
    assert.equal(STOOD_FOR, attach(typed(STOOD_FOR, fields)).class)
    assert.equal('demo.Odd', attach(typed('demo.Odd', { exceptionClass = 'x' })).class)
  end)
end)
