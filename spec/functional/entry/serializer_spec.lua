-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('a serializer written in Lua', function()
  it(
    'carries arguments and results over the wire',
    inside(function()
      local seen = {}
      perilune.serializer('lines', {
        id = 121,
        encode = function(value)
          if type(value) ~= 'table' then
            return 'S' .. tostring(value)
          end
          return 'L' .. table.concat(value, '\n')
        end,
        decode = function(bytes)
          local list = {}
          if bytes:sub(1, 1) == 'S' then
            return bytes:sub(2)
          end
          for line in bytes:sub(2):gmatch '[^\n]+' do
            list[#list + 1] = line
          end
          return list
        end,
      })
      local lines = serve({
        join = function(ctx, a, b)
          seen.name = ctx.call.serialization
          return a .. '+' .. b
        end,
        none = function() end,
        odd = function()
          return { {} }
        end,
      }, nil, { serialization = 'lines' })
      assert.equal('moon+sun', perilune.check(lines:join('moon', 'sun')))
      assert.equal('lines', seen.name)
      assert.is_nil(perilune.check(lines:none()))
      local result, err = lines:odd()
      assert.is_nil(result)
      assert.equal('INTERNAL', err.code)
      assert.equal('a+b', perilune.check(lines:join('a', 'b')), 'others do not notice')
    end)
  )

  it(
    'takes the place of the one with its id at the provider, too',
    inside(function()
      local seen = {}
      perilune.serializer {
        name = 'json',
        provider = 'seen',
        id = 13,
        encode = function(value)
          seen[#seen + 1] = 'encode'
          return core.encode(value)
        end,
        decode = function(bytes)
          seen[#seen + 1] = 'decode'
          return core.decode(bytes)
        end,
      }
      local function service()
        return {
          echo = function(_, a, b)
            return { a, b }
          end,
        }
      end
      local own = serve(service(), { serialization = 'json@seen' }, { serialization = 'json' })
      assert.same({ 'moon', 7 }, (own:echo('moon', 7)))
      assert.same({ 'decode', 'encode' }, seen)
      local plain = serve(service(), nil, { serialization = 'json' })
      assert.same({ 'moon', 7 }, (plain:echo('moon', 7)))
      assert.equal(2, #seen)
      local packed = serve(
        service(),
        { serialization = 'json@seen' },
        { serialization = 'msgpack' }
      )
      assert.same({ 'moon', 7 }, (packed:echo('moon', 7)))
      assert.equal(2, #seen)
      local ok, message = pcall(serve, service(), { serialization = 'json@nobody' })
      assert.is_false(ok)
      assert.truthy(tostring(message):find("serializer 'json@nobody' unknown", 1, true), message)
    end)
  )

  it(
    'that throws is one failed call',
    inside(function()
      perilune.serializer('broken', {
        id = 122,
        encode = function()
          error 'cannot write'
        end,
        decode = function() end,
      })
      local broken = serve({ echo = function() end }, nil, { serialization = 'broken' })
      local result, err = broken:echo(1)
      assert.is_nil(result)
      assert.truthy(tostring(err):find('serializer broken: ', 1, true), tostring(err))
      assert.equal(0, stats().futures)
    end)
  )

  it(
    'may be another provider of json',
    inside(function()
      local json = serve({
        echo = function(_, value)
          return value
        end,
        nothing = function() end,
      }, nil, { serialization = 'json@cjson' })
      -- lua-cjson writes numbers with 14 digits, which tells it from ours.
      assert.equal(0.33333333333333, perilune.check(json:echo(1 / 3)))
      assert.is_nil(perilune.check(json:nothing()))
    end)
  )

  it(
    'must keep to its contract and to an id of its own',
    inside(function()
      local function refused(body)
        local ok, message = pcall(perilune.serializer, 'mine', body)
        assert.is_false(ok)
        return message
      end
      local function nothing() end
      local bare = { encode = nothing, decode = nothing }
      assert.truthy(refused(bare):find("misses member 'id'", 1, true))
      local taken = { id = 111, encode = nothing, decode = nothing }
      assert.truthy(refused(taken):find("id 111 is that of 'msgpack'", 1, true))
    end)
  )
end)

describe('int64 of a refer', function()
  it(
    'says what integers of replies become',
    inside(function()
      local big = 9007199254740993LL
      local service = {
        get = function()
          return 9007199254740993LL
        end,
      }
      local result, err = serve(service):get()
      assert.is_nil(result)
      assert.truthy(err.message:find('int64', 1, true))
      assert.equal(big, perilune.check(serve(service, nil, { int64 = 'cdata' }):get()))
      assert.equal(
        '9007199254740993',
        perilune.check(serve(service, nil, { int64 = 'string' }):get())
      )
    end)
  )
end)

describe('a call with very many arguments', function()
  it(
    'is refused before it is sent',
    inside(function()
      local echo = serve { echo = function() end }
      local many = {}
      for i = 1, 7990 do
        many[i] = i
      end
      local result, err = echo:echo(unpack(many))
      assert.is_nil(result)
      assert.equal('TOO_BIG', err.code)
      assert.equal('NOT_SENT', err.outcome)
    end)
  )
end)

describe('export with auth', function()
  it(
    'serves nobody whose session did not authenticate',
    inside(function()
      local service = {
        who = function(ctx)
          return ctx.identity
        end,
      }
      local auth = { auth = { 'token', token = { bob = 's1' } } }
      local bare, name = serve(service, auth)
      local result, err = bare:who()
      assert.is_nil(result)
      assert.equal('UNAUTHENTICATED', err.code)
      local known =
        perilune.refer { interface = name, url = core.test_url(), auth = { 'token', token = 's1' } }
      assert.equal('bob', perilune.check(known:who()))
    end)
  )
end)
