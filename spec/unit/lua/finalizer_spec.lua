-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('a finalizer of a script', function()
  -- The collector takes its steps while replies are written onto the stacks of waiting fibers.
  it(
    'may fail, while a reply is decoded too',
    inside(function()
      local ffi = require 'ffi'
      local ended = { caught = 0, thrown = 0, proxy = 0, metatype = 0 }
      local function caught()
        pcall(error, 'caught')
        ended.caught = ended.caught + 1
      end
      local function thrown()
        ended.thrown = ended.thrown + 1
        error('thrown', 0)
      end
      local handle = ffi.metatype(ffi.typeof 'struct { int n; }', {
        __gc = function(h)
          ended.metatype = ended.metatype + h.n
          error 'of a metatype'
        end,
      })
      local greeter = serve {
        list = function()
          local list = {}
          for i = 1, 50 do
            list[i] = { name = 'name' .. i, value = i }
          end
          return list
        end,
      }
      for i = 1, 300 do
        ffi.gc(ffi.new 'int[4]', caught)
        ffi.gc(ffi.new 'int[4]', thrown)
        handle(1)
        getmetatable(newproxy(true)).__gc = function()
          ended.proxy = ended.proxy + 1
          error 'of a proxy'
        end
        assert.equal(50, #greeter:list(i))
      end
      collectgarbage()
      turns(2)
      collectgarbage()
      turns(2)
      for what, count in pairs(ended) do
        assert.is_true(count >= 290, what .. ': ' .. count)
      end
      assert.matches('^a finalizer: ', logged('SCRIPT-ERROR')[1].text)
    end)
  )

  it(
    'runs in a fiber, and may wait',
    inside(function()
      local ffi = require 'ffi'
      local where
      ffi.gc(ffi.new 'int[4]', function(object)
        perilune.sleep(1)
        where = { core.in_fiber(), ffi.sizeof(object) }
      end)
      collectgarbage()
      collectgarbage()
      assert.is_nil(where)
      eventually(function()
        return where ~= nil
      end)
      assert.same({ true, 16 }, where)
    end)
  )

  it(
    'is left out when it was taken back',
    inside(function()
      local ffi = require 'ffi'
      local object = ffi.gc(ffi.new 'int[4]', function()
        error 'taken back'
      end)
      ffi.gc(object, nil)
      object = nil -- luacheck: ignore
      collectgarbage()
      collectgarbage()
      turns(2)
    end)
  )
end)
