-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('filter fault', function()
  it(
    'slows and fails the calls it chooses, and ends by itself',
    inside(function()
      local service = {
        f = function()
          return 1
        end,
        g = function()
          return 1
        end,
      }
      local proxy = serve(service, {
        fault = {
          delay = 100,
          abort = 'UNAVAILABLE',
          methods = 'f',
          match = { chaos = 'yes' },
          lasts = 10000,
        },
      }, { timeout = 60000 })
      assert.equal(1, (proxy:f()))
      local chaos = perilune.with(proxy, { attachments = { chaos = 'yes' } })
      assert.equal(1, (chaos:g()))
      local future = perilune.async(chaos):f()
      turns(5)
      assert.is_false(future:ready())
      advance(101)
      local _, err = future:await()
      assert.equal('UNAVAILABLE', err.code)
      assert.equal('injected fault', err.message)
      advance(10000)
      assert.equal(1, (chaos:f()))
      assert.equal(1, #logged 'FAULT')
      assert.equal(1, counted.perilune_faults)
    end)
  )

  it(
    'takes a share of the calls',
    inside(function()
      local proxy = serve({
        f = function()
          return 1
        end,
      }, nil, { fault = { abort = 'ABORTED', percent = 50, lasts = 1000000 } })
      local failed = 0
      for _ = 1, 400 do
        failed = failed + (proxy:f() == nil and 1 or 0)
      end
      assert.truthy(failed > 120 and failed < 280, failed)
    end)
  )

  it(
    'ends at a time of day',
    inside(function()
      local service = {
        f = function()
          return 1
        end,
      }
      local proxy = serve(service, { fault = { abort = 'ABORTED', ends = '2020-02-29T12:00:00Z' } })
      assert.equal(1, (proxy:f()))
      proxy = serve(service, { fault = { abort = 'ABORTED', ends = '9999-12-31T23:59Z' } })
      local _, err = proxy:f()
      assert.equal('ABORTED', err.code)
    end)
  )

  it(
    'refuses to be for ever or for nothing',
    inside(function()
      for part, conf in pairs {
        ['must end by itself'] = { delay = 1 },
        ['says nothing'] = { lasts = 1000 },
        ["no error code 'ABORT'; did you mean 'ABORTED'?"] = { abort = 'ABORT', lasts = 1 },
        ["ends: 'tomorrow' is no time"] = { delay = 1, ends = 'tomorrow' },
        ["ends: '2030-13-01T00:00Z' is no time"] = { delay = 1, ends = '2030-13-01T00:00Z' },
        ['percent must be number from 0 to 100'] = { delay = 1, lasts = 1, percent = 101 },
      } do
        local ok, message = pcall(serve, { f = print }, { fault = conf })
        assert.is_false(ok)
        assert.truthy(message:find(part, 1, true), message)
      end
    end)
  )
end)

describe('filter mock', function()
  it(
    'answers instead of the service, null and errors too',
    inside(function()
      local ran = 0
      local service = {
        f = function()
          ran = ran + 1
          return 'real'
        end,
        g = function()
          ran = ran + 1
          return 'real'
        end,
      }
      local written = { list = { 1 } }
      local proxy = serve(service, nil, {
        mock = {
          results = {
            f = written,
            none = perilune.null,
            twice = function(_, call)
              return call.args[1] * 2
            end,
            wrong = function()
              return nil, perilune.error('NOT_FOUND', 'mocked')
            end,
          },
        },
      })
      proxy:f().list[1] = 'changed'
      assert.same({ list = { 1 } }, (proxy:f()))
      local result, err = proxy:none()
      assert.is_nil(result)
      assert.is_nil(err)
      assert.equal(4, (proxy:twice(2)))
      err = select(2, proxy:wrong())
      assert.equal('mocked', err.message)
      assert.equal(0, ran)
      assert.equal('real', (proxy:g()))
    end)
  )

  it(
    'answers for a service that does not work, not for one that refuses',
    inside(function()
      local code
      local service = {
        f = function()
          if code then
            return nil, perilune.error(code, 'x')
          end
          return 'real'
        end,
      }
      local seen
      local proxy = serve(service, nil, {
        methods = {
          f = {
            mock = {
              mode = 'fail',
              with = function(_, _, err)
                seen = err.code
                return 'mocked'
              end,
            },
          },
        },
      })
      assert.equal('real', (proxy:f()))
      code = 'UNAVAILABLE'
      assert.equal('mocked', (proxy:f()))
      assert.equal('UNAVAILABLE', seen)
      code = 'NOT_FOUND'
      local _, err = proxy:f()
      assert.equal('NOT_FOUND', err.code)
      local gone = perilune.refer {
        interface = 'demo.Nobody',
        url = core.test_url(),
        mock = { mode = 'fail', result = {} },
      }
      assert.same({}, (gone:anything()))
    end)
  )

  it(
    'refuses to say nothing',
    inside(function()
      for part, conf in pairs {
        ['give it result or results'] = 'fail',
        ['mode must be one of'] = 'sometimes',
        ["no error code 'BROKEN'"] = { result = 1, codes = { 'BROKEN' } },
      } do
        local ok, message = pcall(serve, { f = print }, { mock = conf })
        assert.is_false(ok)
        assert.truthy(message:find(part, 1, true), message)
      end
    end)
  )
end)
