-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('a handler', function()
  it(
    'gives its first value',
    inside(function()
      local greeter = serve {
        hello = function(_, name)
          return 'hello ' .. name
        end,
      }
      assert.equal('hello moon', (greeter:hello 'moon'))
    end)
  )

  it(
    'may give nothing',
    inside(function()
      local greeter = serve {
        none = function() end,
        null = function()
          return nil
        end,
      }
      assert.same({ n = 1 }, { n = select('#', greeter:none()), (greeter:none()) })
      assert.same({ n = 1 }, { n = select('#', greeter:null()), (greeter:null()) })
    end)
  )

  it(
    'gives false as false',
    inside(function()
      local greeter = serve {
        no = function()
          return false
        end,
      }
      local result, err = greeter:no()
      assert.is_false(result)
      assert.is_nil(err)
    end)
  )

  it(
    'fails with an error object',
    inside(function()
      local greeter = serve {
        fail = function()
          return nil, perilune.error('NOT_FOUND', 'no such greeting')
        end,
      }
      local result, err = greeter:fail()
      assert.is_nil(result)
      assert.equal('NOT_FOUND', err.code)
      assert.equal('no such greeting', err.message)
      assert.equal('NOT_FOUND: no such greeting', tostring(err))
      assert.is_false(err.retryable)
      assert.is_nil(err.details)
    end)
  )

  it(
    'tells its caller the details of an error, if they fit',
    inside(function()
      local details
      local greeter = serve {
        fail = function()
          return nil, perilune.error('LIMITED', 'later', details)
        end,
      }
      local function told(value)
        details = value
        local _, err = greeter:fail()
        assert.equal('LIMITED: later', tostring(err))
        assert.is_false(err.retryable)
        return err.details
      end
      assert.same(
        { retry_after = 5, of = { 'a', 'b' } },
        told { retry_after = 5, of = { 'a', 'b' } }
      )
      assert.equal('a text', told 'a text')
      assert.is_false(told(false))
      assert.equal(8000, #told(('x'):rep(8000)))
      assert.is_nil(told(('x'):rep(8200)))
      assert.is_nil(told { print })
      assert.is_nil(told(nil))
    end)
  )

  it(
    'fails with a string as UNKNOWN',
    inside(function()
      local greeter = serve {
        fail = function()
          return nil, 'out of stars'
        end,
      }
      local _, err = greeter:fail()
      assert.equal('UNKNOWN', err.code)
      assert.equal('out of stars', err.message)
    end)
  )

  it(
    'has further values dropped with one warning',
    inside(function()
      local greeter = serve {
        two = function()
          return 'one', 'two'
        end,
      }
      for _ = 1, 3 do
        local result, err = greeter:two()
        assert.equal('one', result)
        assert.is_nil(err)
      end
      assert.equal(1, #logged 'RESULT-DROPPED')
      assert.truthy(logged('RESULT-DROPPED')[1].text:find('.two', 1, true))
    end)
  )

  it(
    'that throws a string is INTERNAL to the caller and a traceback in the log',
    inside(function()
      local greeter = serve {
        boom = function()
          error 'kaboom of the secret engine'
        end,
      }
      local result, err = greeter:boom()
      assert.is_nil(result)
      assert.equal('INTERNAL', err.code)
      assert.is_nil(err.message:find('secret', 1, true))
      local line = logged('SCRIPT-ERROR')[1]
      assert.truthy(line.text:find('kaboom of the secret engine', 1, true))
      assert.truthy(line.text:find('stack traceback', 1, true))
    end)
  )

  it(
    'that throws one of our errors keeps its code',
    inside(function()
      local greeter = serve {
        deny = function()
          error(perilune.error('FORBIDDEN', 'not you'))
        end,
      }
      local _, err = greeter:deny()
      assert.equal('FORBIDDEN', err.code)
      assert.equal('not you', err.message)
      assert.equal(0, #logged 'SCRIPT-ERROR')
    end)
  )

  it(
    'that throws nil or a table is INTERNAL',
    inside(function()
      local greeter = serve {
        none = function()
          error(nil)
        end,
        odd = function()
          error { 1 }
        end,
      }
      local _, err = greeter:none()
      assert.equal('INTERNAL', err.code)
      _, err = greeter:odd()
      assert.equal('INTERNAL', err.code)
    end)
  )

  it(
    'whose result cannot be encoded is INTERNAL, and says why in the log',
    inside(function()
      local greeter = serve {
        fn = function()
          return function() end
        end,
        nested = function()
          local t = {}
          t.t = t
          return t
        end,
        hello = function()
          return 'still here'
        end,
      }
      local _, err = greeter:fn()
      assert.equal('INTERNAL', err.code)
      _, err = greeter:nested()
      assert.equal('INTERNAL', err.code)
      assert.equal('still here', (greeter:hello()))
    end)
  )

  it(
    'that overflows the stack fails alone',
    inside(function()
      local greeter = serve {
        deep = function()
          local function f(n)
            return 1 + f(n + 1)
          end
          return f(1)
        end,
        hello = function()
          return 'still here'
        end,
      }
      local _, err = greeter:deep()
      assert.equal('INTERNAL', err.code)
      assert.equal('still here', (greeter:hello()))
    end)
  )
end)

describe('arguments', function()
  it(
    'keep nil in the middle and at the end',
    inside(function()
      local greeter = serve {
        var = function(_, ...)
          return { n = select('#', ...), first = (...), third = (select(3, ...)) }
        end,
        three = function(_, a, b, c)
          return { a = a, b = b == nil, c = c }
        end,
      }
      assert.same({ n = 3, first = 1, third = 3 }, (greeter:var(1, nil, 3)))
      assert.same({ n = 2, first = 1 }, (greeter:var(1, nil)))
      assert.same({ a = 1, b = true, c = 3 }, (greeter:three(1, nil, 3)))
      assert.same({ b = true, c = 3 }, (greeter:three(nil, nil, 3)))
    end)
  )

  it(
    'need a colon before them: with a dot the first would be lost',
    inside(function()
      local greeter = serve {
        hello = function(_, name)
          return name
        end,
      }
      for _, proxy in ipairs { greeter, perilune.with(greeter, {}), perilune.async(greeter) } do
        for _, argument in ipairs { 'moon', 7, false } do
          local ok, message = pcall(function()
            return (proxy.hello(argument))
          end)
          assert.is_false(ok)
          assert.matches('%.lua:%d+: hello is called with a colon: proxy:hello%(%.%.%.%)', message)
        end
      end
    end)
  )

  it(
    'may be none, for every kind of handler',
    inside(function()
      local greeter = serve {
        var = function(_, ...)
          return select('#', ...)
        end,
        one = function(_, a)
          return a == nil
        end,
        two = function(_, a, b)
          return a == nil and b == nil
        end,
        zero = function()
          return 'zero'
        end,
      }
      assert.equal(0, (greeter:var()))
      assert.is_true((greeter:one()))
      assert.is_true((greeter:two()))
      assert.equal('zero', (greeter:zero(1, 2, 3)))
    end)
  )

  it(
    'are values of all kinds',
    inside(function()
      local greeter = serve {
        echo = function(_, value)
          return value
        end,
      }
      for _, value in ipairs {
        0,
        -1,
        1.5,
        2 ^ 40,
        '',
        'text',
        'with \0 byte',
        true,
        false,
        { 1, 2, 3 },
        { a = { b = { c = 1 } } },
      } do
        assert.same(value, (greeter:echo(value)))
      end
      assert.equal(perilune.null, (greeter:echo { perilune.null })[1])
      assert.equal('\0\255', tostring((greeter:echo(perilune.bytes '\0\255'))))
    end)
  )

  it(
    'travel as json too',
    inside(function()
      local greeter = serve({
        echo = function(_, value)
          return value
        end,
      }, nil, { serialization = 'json' })
      for _, value in ipairs { 0, -1, 1.5, 'text', true, { 1, 2, 3 }, { a = { b = 'c' } } } do
        assert.same(value, (greeter:echo(value)))
      end
    end)
  )

  it(
    'that cannot be encoded fail the call before it is sent',
    inside(function()
      local greeter = serve {
        echo = function(_, value)
          return value
        end,
      }
      local before = stats().arrived
      local result, err = greeter:echo { print }
      assert.is_nil(result)
      assert.equal('NOT_SENT', err.outcome)
      assert.truthy(err.message:find('function', 1, true))
      assert.equal(before, stats().arrived)
      assert.equal('fine', (greeter:echo 'fine'))
    end)
  )

  it(
    'have attachments with names',
    inside(function()
      local greeter = serve {
        hello = function()
          return 'fine'
        end,
      }
      for _, wrong in ipairs { { 5 }, { a = 1, [true] = 2 } } do
        local _, err = perilune.with(greeter, { attachments = wrong }):hello()
        assert.same({ 'BAD_REQUEST', 'NOT_SENT' }, { err.code, err.outcome })
        assert.truthy(err.message:find('the names of attachments', 1, true))
      end
      assert.equal('fine', (perilune.with(greeter, { attachments = { a = 1 } }):hello()))
    end)
  )
end)

describe('raw bytes', function()
  it(
    'reach the handler as a body and go back as one',
    inside(function()
      local greeter = serve({
        echo = function(_, body)
          return body
        end,
        size = function(_, body)
          return tostring(body:len())
        end,
      }, nil, { serialization = 'raw' })
      assert.equal('some \0 bytes', (greeter:echo 'some \0 bytes'))
      assert.equal('3', (greeter:size 'abc'))
      assert.equal(('x'):rep(100000), (greeter:echo(('x'):rep(100000))))
    end)
  )

  it(
    'are what a handler with body = true gets, whatever the serialization',
    inside(function()
      local greeter = serve({
        echo = function(_, body)
          return body
        end,
        look = function(_, body)
          return {
            len = body:len(),
            part = body:slice(1, 1):byte(),
            kept = #body:keep(),
            text = #body:string(),
            n = #body,
          }
        end,
      }, { body = true })
      -- The body is the list of arguments; handed back it is the result.
      assert.same({ { 1, 'two' } }, (greeter:echo { 1, 'two' }))
      local seen = greeter:look 'abc'
      assert.equal(seen.len, seen.kept)
      assert.equal(seen.len, seen.text)
      assert.equal(seen.len, seen.n)
      assert.equal(0x91, seen.part)
    end)
  )

  it(
    'can be sliced like a string',
    inside(function()
      local greeter = serve({
        slice = function(_, body)
          return table.concat(
            { body:slice(2, 3), body:slice(-2), body:slice(2), body:slice(9), body:slice(0, 1) },
            '|'
          )
        end,
      }, nil, { serialization = 'raw' })
      assert.equal('bc|de|bcde||a', (greeter:slice 'abcde'))
    end)
  )

  it(
    'refuse to be changed, and name what they do not have',
    inside(function()
      local greeter = serve({
        set = function(_, body)
          body.x = 1
        end,
        get = function(_, body)
          return body:strin()
        end,
      }, nil, { serialization = 'raw' })
      local _, err = greeter:set 'a'
      assert.equal('INTERNAL', err.code)
      _, err = greeter:get 'a'
      assert.equal('INTERNAL', err.code)
      assert.truthy(logged('SCRIPT-ERROR')[1].text:find('a body cannot be changed', 1, true))
      assert.truthy(logged('SCRIPT-ERROR')[2].text:find("did you mean 'string'?", 1, true))
    end)
  )
end)

describe('what is not there', function()
  it(
    'is refused by name',
    inside(function()
      local greeter = serve { hello = function() end }
      local _, err = greeter:nosuch()
      assert.equal('NO_METHOD', err.code)
      assert.equal('REFUSED', err.outcome)
      _, err = perilune.call(greeter, 'end')
      assert.equal('NO_METHOD', err.code)
    end)
  )

  it(
    'is refused where a name differs in one place from that of the last call',
    inside(function()
      local names, service = {}, {}
      for _, len in ipairs { 1, 2, 7, 8, 9, 16, 19 } do
        local name = ('n'):rep(len)
        names[#names + 1] = name
        service[name] = function()
          return len
        end
      end
      local greeter = serve(service)
      for _, name in ipairs(names) do
        for at = 1, #name do
          assert.equal(#name, (perilune.call(greeter, name)))
          local _, err = perilune.call(greeter, name:sub(1, at - 1) .. 'x' .. name:sub(at + 1))
          assert.equal('NO_METHOD', err.code)
        end
      end
    end)
  )

  it(
    'is refused after the export was closed',
    inside(function()
      local handle = perilune.export {
        interface = 'demo.Brief',
        service = {
          hello = function()
            return 1
          end,
        },
      }
      local proxy = perilune.refer { interface = 'demo.Brief', url = core.test_url() }
      assert.equal(1, (proxy:hello()))
      handle.close()
      local _, err = proxy:hello()
      assert.equal('NO_SERVICE', err.code)
      assert.is_true(err.retryable)
    end)
  )
end)
