-- SPDX-License-Identifier: MIT
-- Limits inside one VM. What they do at the edge of a process: spec/functional/process/limits_spec.lua.
local inside = require('spec.support.vm').inside

describe('limits of a VM', function()
  it(
    'begin as the settings say',
    inside(function()
      local settings = require 'perilune.process.settings'
      local count = 0
      for name, value in pairs(core.limits()) do
        assert.equal(settings.schema[name].default, value, name)
        count = count + 1
      end
      assert.is_true(count >= 27)
    end)
  )

  it(
    'are set by name, each by itself',
    inside(function()
      local before = core.limits()
      core.set_limits { queue_age = 7, lua_memory = 2 ^ 40 }
      for name, value in pairs(core.limits()) do
        local want = name == 'queue_age' and 7 or name == 'lua_memory' and 2 ^ 40 or before[name]
        assert.equal(want, value, name)
      end
    end)
  )

  it(
    'stay within what a field can hold',
    inside(function()
      core.set_limits { calls = 2 ^ 40, queue_age = -1, frame_size = 0 / 0 }
      assert.equal(2 ^ 32 - 1, core.limits().calls)
      assert.equal(20, core.limits().queue_age)
      assert.equal(8 * 2 ^ 20, core.limits().frame_size)
    end)
  )

  it(
    'refuse authentications that would wait',
    inside(function()
      local lib = require('spec.support.c').cdef 'base/limit.h'
      perilune.export {
        interface = 'demo.Secret',
        auth = { 'token', token = 'open' },
        service = {
          tell = function()
            return 'secret'
          end,
        },
      }
      local before = lib.peri_limit_hits(lib.PERI_LIMIT_AUTHENTICATIONS)
      core.set_limits { authentications = 0 }
      local conn = assert(core.connect(core.test_url(), {}))
      local params = {
        interface = 'demo.Secret',
        alias = '',
        auth = { type = 'token', attributes = { token = 'open' } },
      }
      local session, code, message = core.session(conn, params)
      assert.is_nil(session)
      assert.equal('UNAUTHENTICATED', code)
      assert.matches('overloaded', message)
      assert.equal(1, tonumber(lib.peri_limit_hits(lib.PERI_LIMIT_AUTHENTICATIONS) - before))
      core.set_limits { authentications = 1 }
      assert.truthy(core.session(conn, params))
      core.disconnect(conn)
    end)
  )
end)
