-- SPDX-License-Identifier: MIT
-- The waits that reach the network, as perilune.core has them.
local inside = require('spec.support.vm').inside

describe('core.connect', function()
  it(
    'gives a number, and tells once when the connection is over',
    inside(function()
      local closed = {}
      local conn = core.connect(core.test_url(), {
        on_close = function(id, code)
          closed[#closed + 1] = { id, code }
        end,
      })
      assert.equal('number', type(conn))
      turns(2)
      assert.same({}, closed)
      core.disconnect(conn, 'CLOSED')
      eventually(function()
        return #closed > 0
      end)
      turns(5)
      assert.equal(1, #closed)
      assert.equal(conn, closed[1][1])
      -- A number that is over finds nothing.
      core.disconnect(conn)
      local session, code = core.session(conn, { interface = 'demo.X', alias = '' })
      assert.is_nil(session)
      assert.equal('CLOSED', code)
      local ok, why, _, outcome = core.request(conn, 1, 'hello', { n = 0 }, 1000)
      assert.is_false(ok)
      assert.equal('CLOSED', why)
      assert.equal('NOT_SENT', outcome)
    end)
  )

  it(
    'fails with code and message',
    inside(function()
      for url, want in pairs {
        ['joyrpc://127.0.0.1:1'] = 'UNAVAILABLE',
        ['nonsense'] = 'CONFIG',
        ['joyrpc://'] = 'CONFIG',
        ['joyrpc://127.0.0.1:99999'] = 'CONFIG',
      } do
        local conn, code, message = core.connect(url, { timeout = 500 })
        assert.is_nil(conn)
        assert.equal('string', type(message))
        assert.truthy(
          code == want or code == 'CLOSED' or code == 'SYSTEM',
          url .. ': ' .. tostring(code)
        )
      end
      local conn, code = core.connect(core.test_url(), { protocol = 'nosuch' })
      assert.is_nil(conn)
      assert.equal('CONFIG', code)
    end)
  )

  it(
    'that is cancelled leaves no connection behind',
    inside(function()
      for _ = 1, 5 do
        local ended
        local fiber = core.spawn(function()
          ended = { core.connect(core.test_url()) }
        end)
        core.cancel(fiber)
        eventually(function()
          return ended
        end)
        assert.falsy(ended[1])
      end
      for _ = 1, 5 do
        local ended
        local fiber = core.spawn(function()
          ended = { core.connect(core.test_url()) }
        end)
        core.sleep(0)
        core.cancel(fiber)
        eventually(function()
          return ended
        end)
        if ended[1] then
          core.disconnect(ended[1], 'CLOSED')
        end
      end
      eventually(function()
        return stats().links == 0
      end)
    end)
  )
end)

describe('core.session', function()
  it(
    'tells what was agreed',
    inside(function()
      perilune.export { interface = 'demo.Agreed', alias = 'prod', service = { f = print } }
      local conn = core.connect(core.test_url())
      local session = core.session(conn, { interface = 'demo.Agreed', alias = 'prod' })
      assert.is_true(session.native)
      assert.equal('msgpack', session.serializer)
      local json =
        core.session(conn, { interface = 'demo.Agreed', alias = 'prod', serialization = 'json' })
      assert.equal('json', json.serializer)
      assert.truthy(json.id ~= session.id)
      core.disconnect(conn, 'CLOSED')
    end)
  )

  it(
    'ends when the connection does',
    inside(function()
      local conn = core.connect(core.test_url())
      local ended
      core.spawn(function()
        ended = { core.session(conn, { interface = 'demo.X', alias = '' }) }
      end)
      core.sleep(0)
      core.disconnect(conn, 'CLOSED')
      eventually(function()
        return ended
      end)
      assert.truthy(ended[1] == nil and ended[2] or type(ended[1]) == 'table')
    end)
  )
end)

describe('core.request', function()
  it(
    'ends as CLOSED and UNKNOWN when the connection goes',
    inside(function()
      local running
      perilune.export {
        interface = 'demo.Slow',
        service = {
          slow = function()
            running = true
            perilune.sleep(60000)
          end,
        },
      }
      local conn = core.connect(core.test_url())
      local session = core.session(conn, { interface = 'demo.Slow', alias = '' })
      local got
      core.spawn(function()
        got = { core.request(conn, session.id, 'slow', { n = 0 }, 60000) }
      end)
      eventually(function()
        return running
      end)
      core.disconnect(conn, 'CLOSED')
      eventually(function()
        return got
      end)
      assert.is_false(got[1])
      assert.equal('CLOSED', got[2])
      assert.equal('UNKNOWN', got[4])
      eventually(function()
        return stats().calls == 0
      end)
    end)
  )

  it(
    'of an unknown session fails without being sent',
    inside(function()
      local conn = core.connect(core.test_url())
      local ok, code, _, outcome = core.request(conn, 77, 'f', { n = 0 }, 1000)
      assert.is_false(ok)
      assert.equal('CLOSED', code)
      assert.equal('NOT_SENT', outcome)
      core.disconnect(conn, 'CLOSED')
    end)
  )

  it(
    'takes a method name of any bytes, up to its limit',
    inside(function()
      local greeter = serve {
        [('m'):rep(255)] = function()
          return 'long'
        end,
        ['ünï\1'] = function()
          return 'odd'
        end,
      }
      assert.equal('long', (perilune.call(greeter, ('m'):rep(255))))
      assert.equal('odd', (perilune.call(greeter, 'ünï\1')))
      local _, err = perilune.call(greeter, ('m'):rep(256))
      assert.truthy(err)
      assert.equal('NOT_SENT', err.outcome)
      _, err = perilune.call(greeter, '')
      assert.truthy(err)
      assert.equal('long', (perilune.call(greeter, ('m'):rep(255))))
    end)
  )

  it(
    'is the same read from memory and through the API',
    inside(function()
      local greeter, interface = serve({
        echo = function(ctx, value)
          return value
        end,
      }, nil, { serialization = 'raw' })
      local session = {}
      local conn = core.connect(core.test_url())
      for _, serialization in ipairs { 'raw', 'msgpack' } do
        local agreed = { interface = interface, alias = '', serialization = serialization }
        session[serialization] = core.session(conn, agreed).id
      end
      local function ask(how, attachments, flags, ...)
        local yield, WAIT, REQUEST = core.yield, core.WAIT, core.REQUEST
        return {
          yield(WAIT, REQUEST, conn, session[how], 'echo', nil, 1000, attachments, flags, nil, ...),
        }
      end
      local function answers()
        return {
          greeter:echo 'plain',
          greeter:echo(('x'):rep(100000)),
          { greeter:echo() },
          ask('raw', nil, 0),
          ask('raw', nil, 0, 'value'),
          ask('raw', nil, 0, 5),
          ask('raw', nil, 0, 'value', 'and another'),
          ask('raw', { a = 'attachment' }, 0, 'value'),
          ask('raw', nil, 1, 'value'),
          ask('raw', nil, 2, 'value'),
          ask('raw', nil, '0', 'value'),
          ask('raw', nil, nil, 'value'),
          ask('msgpack', nil, 0, 'value'),
          ask('msgpack', nil, 0, 1, 2, 3),
          { core.request(conn, session.raw, 'echo', { 'in a table' }, 1000) },
          { core.request(conn, session.raw, 'echo', { 1, 2 }, 1000) },
          { core.request(conn, session.raw, 7, nil, 1000) },
          { core.request(conn, session.raw, 'echo', nil, 0) },
          { core.request(conn, 4711, 'echo', nil, 1000) },
          { core.request(conn, 4711) },
        }
      end
      local read = answers()
      assert.is_true(core.test_raw(false))
      local asked = answers()
      assert.is_false(core.test_raw(true))
      assert.same(asked, read)
      assert.equal('plain', read[1])
      assert.same({ true, 'value' }, read[5])
      assert.same({ true, 'value' }, read[13])
      core.disconnect(conn, 'CLOSED')
    end)
  )

  it(
    'with attachments over their limit fails alone',
    inside(function()
      local greeter = serve {
        f = function()
          return 'fine'
        end,
      }
      local huge = perilune.with(greeter, { attachments = { x = ('y'):rep(70000) } })
      local _, err = huge:f()
      assert.truthy(err)
      assert.equal('NOT_SENT', err.outcome)
      local odd = perilune.with(greeter, { attachments = { x = print } })
      _, err = odd:f()
      assert.equal('NOT_SENT', err.outcome)
      assert.equal('fine', (greeter:f()))
    end)
  )

  it(
    'with a body over the frame limit fails alone',
    inside(function()
      local greeter = serve {
        f = function(_, text)
          return #text
        end,
      }
      local _, err = greeter:f(('x'):rep(9 * 1024 * 1024))
      assert.truthy(err)
      assert.equal(1000, (greeter:f(('x'):rep(1000))))
    end)
  )

  it(
    'carries large arguments and results',
    inside(function()
      local greeter = serve {
        echo = function(_, text)
          return text
        end,
      }
      for _, size in ipairs { 0, 1, 255, 256, 65535, 65536, 1000000 } do
        local text = ('x'):rep(size)
        local result, err = greeter:echo(text)
        assert.is_nil(err)
        assert.is_true(result == text)
      end
    end)
  )

  it(
    'carries compressed ones, where a compression was agreed',
    inside(function()
      for _, compression in ipairs { 'lz4', 'zstd', 'snappy', 'zlib' } do
        for _, serialization in ipairs { 'msgpack', 'json', 'raw' } do
          local greeter = serve({
            echo = function(ctx, body)
              return body
            end,
          }, nil, { compression = compression, serialization = serialization })
          local text = ('all work and no play '):rep(5000)
          local result, err = greeter:echo(text)
          assert.is_nil(err, compression .. ' ' .. serialization .. ' ' .. tostring(err))
          assert.is_true(result == text, compression .. ' ' .. serialization)
          local with = perilune.with(greeter, { attachments = { a = 'b' } })
          result, err = with:echo(text)
          assert.is_nil(err, compression .. ' ' .. serialization .. ' attached ' .. tostring(err))
          assert.is_true(result == text)
        end
      end
    end)
  )
end)
