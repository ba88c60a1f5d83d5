-- SPDX-License-Identifier: MIT
-- Results that no serialization takes: the caller gets an error, and the connection goes on.
local inside = require('spec.support.vm').inside

describe('a result that cannot be written', function()
  it(
    'is an error in each serialization and protocol',
    inside(function()
      local cycle, deep = { 1 }, {}
      cycle[2] = cycle
      local at = deep
      for _ = 1, 200 do
        at.x = {}
        at = at.x
      end
      local results = {
        cycle = cycle,
        deep = deep,
        ['function'] = { a = print },
        thread = coroutine.create(print),
        handle = io.stdout,
        text = 'a\255',
        key = { ['\255'] = 1 },
        ['key that is none'] = { [print] = 1 },
        nan = 0 / 0,
        ['a mixed table'] = { 1, a = 2 },
        unsigned = 18446744073709551615ULL,
        huge = ('x'):rep(9 * 1024 * 1024),
      }
      -- What a serialization can say after all.
      local MSGPACK = { nan = true, ['a mixed table'] = true, unsigned = true }
      local HESSIAN = { nan = true, ['a mixed table'] = true, cycle = true }
      local can = {
        json = { unsigned = true },
        msgpack = MSGPACK,
        hessian2 = HESSIAN,
        protostuff = { nan = true, ['a mixed table'] = true },
        dubbo = HESSIAN,
      }
      for name, able in pairs(can) do
        local service = serve(
          {
            give = function(_, what)
              return results[what]
            end,
            fail = function()
              return nil, perilune.error('NOT_FOUND', 'no \255\254 moon')
            end,
          },
          nil,
          name == 'dubbo' and { url = (core.test_url():gsub('^%w+', 'dubbo')) }
            or { serialization = name }
        )
        for what in pairs(results) do
          local _, err = service:give(what)
          local code = what == 'huge' and 'TOO_BIG' or not able[what] and 'INTERNAL' or nil
          if code or what ~= 'unsigned' then -- which is too much for a Lua number
            assert.equal(code, err and err.code, ('%s, %s'):format(name, what))
          end
          local _, failed = service:fail()
          assert.equal('NOT_FOUND', failed.code, name)
          assert.truthy(failed.message:find('no ?? moon', 1, true), failed.message)
        end
      end
    end)
  )

  it(
    'is an error frame to stock JoyRPC peers',
    inside(function()
      local function frame(id, serialization, body)
        local function u32(n)
          return string.char(
            math.floor(n / 2 ^ 24) % 256,
            math.floor(n / 2 ^ 16) % 256,
            math.floor(n / 256) % 256,
            n % 256
          )
        end
        local head = '\0\18\1' .. u32(id) .. u32(0) .. string.char(serialization) .. '\0'
        head = head .. u32(5000) .. '\0'
        return '\173\208' .. u32(#head + #body + 4) .. head .. body
      end
      local function short(text)
        local _, characters = text:gsub('[^\128-\191]', '')
        return string.char(characters) .. text
      end
      local function json(method)
        return ('{"className":"demo.Odd","alias":"prod","methodName":"%s","args":[]}'):format(
          method
        )
      end
      local function hessian(method)
        return 'C0%io.joyrpc.protocol.message.Invocation\148'
          .. short 'args'
          .. short 'methodName'
          .. short 'alias'
          .. short 'className'
          .. '\96\120'
          .. short(method)
          .. short 'prod'
          .. short 'demo.Odd'
      end
      serve({
        bad = function()
          return { 1, 2, print }
        end,
        text = function()
          return nil, perilune.error('NOT_FOUND', 'no \255\254 moon')
        end,
        good = function()
          return 'still here'
        end,
      }, { interface = 'demo.Odd', alias = 'prod' })
      for serialization, body_of in pairs { [13] = json, [2] = hessian } do
        local socket = perilune.check(perilune.connect((core.test_url():gsub('^%w+', 'tcp'))))
        local function ask(id, method)
          assert(socket:write(frame(id, serialization, body_of(method))))
          local head = perilune.check(socket:read(6))
          local _, _, a, b, c, d = head:byte(1, 6)
          local rest = perilune.check(socket:read(((a * 256 + b) * 256 + c) * 256 + d - 4))
          assert.equal(2, rest:byte(3))
          assert.equal(id, rest:byte(7))
          return rest:sub(19)
        end
        local answer = ask(1, 'bad')
        assert.truthy(answer:find('io.joyrpc.exception.RpcException', 1, true), answer)
        assert.truthy(answer:find('INTERNAL', 1, true), answer)
        answer = ask(2, 'text')
        assert.truthy(answer:find('no ?? moon', 1, true) and answer:find 'NOT_FOUND', answer)
        answer = ask(3, ('月'):rep(30)) -- more than an answer repeats of it
        assert.truthy(answer:find('no such method: demo.Odd.月', 1, true), answer)
        assert.truthy(ask(4, 'good'):find('still here', 1, true))
        socket:close()
      end
    end)
  )
end)
