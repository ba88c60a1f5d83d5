-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('filter validation', function()
  it(
    'lists every field that is wrong, and lets through what is right',
    inside(function()
      local ran = 0
      local proxy = serve({
        book = function(_, name, order)
          ran = ran + 1
          return { name = name, seats = order.seats, tags = #order.tags }
        end,
        free = function()
          return 'free'
        end,
      }, {
        methods = {
          book = {
            validation = {
              { type = 'string', min = 1, max = 8, pattern = '^%a+$' },
              {
                type = 'table',
                extra = false,
                fields = {
                  seats = { type = 'integer', min = 1, max = 9, default = 2 },
                  class = { type = 'string', enum = { 'first', 'second' }, optional = true },
                  price = { type = 'number', min = 0, optional = true },
                  window = { type = 'boolean', optional = true },
                  tags = {
                    type = 'list',
                    max = 2,
                    default = {},
                    items = { type = 'table', fields = { k = { type = 'string' } } },
                  },
                },
              },
            },
          },
        },
      })
      assert.same({ name = 'moon', seats = 2, tags = 0 }, (proxy:book('moon', {})))
      assert.same(
        { name = 'moon', seats = 9, tags = 1 },
        (proxy:book('moon', { seats = 9, class = 'first', tags = { { k = 'x' } } }))
      )
      assert.equal('free', (proxy:free()))
      ran = 0
      local _, err = proxy:book('m00n and more', {
        seats = 0.5,
        class = 'third',
        price = -1,
        window = 'yes',
        tags = { { k = 1 }, {}, 'x' },
        more = 1,
      })
      assert.equal(0, ran)
      assert.equal('BAD_REQUEST', err.code)
      assert.is_false(err.retryable)
      for _, part in ipairs {
        'args[1] must be a string of 1 to 8 bytes',
        "args[1] must match '^%a+$'",
        "args[2].class must be one of 'first', 'second'",
        'args[2].price must be a number of at least 0',
        'args[2].seats must be an integer from 1 to 9',
        'args[2].tags must be a list of at most 2 items',
        'args[2].tags[1].k must be a string',
        'args[2].tags[2].k is missing: must be a string',
        'args[2].tags[3] must be a table',
        'args[2].window must be true or false',
        'args[2].more is not known here',
      } do
        assert.truthy(err.message:find(part, 1, true), part .. ' in ' .. err.message)
      end
      _, err = proxy:book()
      assert.truthy(err.message:find('args[1] is missing', 1, true))
      assert.truthy(err.message:find('args[2] is missing', 1, true))
    end)
  )

  it(
    'of a consumer asks nobody, gives details, and leaves the arguments alone',
    inside(function()
      local ran = 0
      local proxy = serve(
        {
          f = function(_, t)
            ran = ran + 1
            return t
          end,
        },
        nil,
        {
          validation = {
            {
              type = 'table',
              fields = { n = { type = 'integer' }, d = { type = 'any', default = 1 } },
            },
          },
        }
      )
      local _, err = proxy:f { n = 'x' }
      assert.equal('BAD_REQUEST', err.code)
      assert.same({ { field = 'args[1].n', message = 'must be an integer' } }, err.details)
      assert.equal(0, ran)
      local mine = { n = 1 }
      assert.same({ n = 1 }, (proxy:f(mine)))
      assert.same({ n = 1 }, mine)
    end)
  )

  it(
    'tells a bounded number of failures of a bounded length',
    inside(function()
      local proxy = serve({ f = function() end }, {
        validation = {
          args = { { type = 'list', items = { type = 'integer' } } },
          most = 3,
        },
      })
      local bad = {}
      for i = 1, 1000 do
        bad[i] = 'x'
      end
      local _, err = proxy:f(bad)
      assert.truthy(err.message:find('(and 997 more)', 1, true))
      assert.truthy(#err.message < 1100)
      local wide = serve({ f = function() end }, {
        validation = { { type = 'table', extra = false } },
      })
      _, err = wide:f { [('k'):rep(100000)] = 1 }
      assert.equal('BAD_REQUEST', err.code)
      assert.truthy(#err.message < 1100)
    end)
  )

  it(
    'takes a validator of its own, and rules by method',
    inside(function()
      perilune.validator('even', function(args)
        if type(args[1]) ~= 'number' or args[1] % 2 ~= 0 then
          return { { field = 'args[1]', message = 'must be even' } }
        end
      end)
      local function echo(_, n)
        return n
      end
      local proxy = serve({ f = echo, g = echo }, {
        validation = { validator = 'even', methods = { g = { { type = 'integer', max = 5 } } } },
      })
      assert.equal(4, (proxy:f(4)))
      local _, err = proxy:f(3)
      assert.equal('args[1] must be even', err.message)
      assert.equal(3, (proxy:g(3)))
      _, err = proxy:g(6)
      assert.equal('args[1] must be an integer of at most 5', err.message)
    end)
  )

  it(
    'refuses wrong rules when loading, with the place and what is allowed',
    inside(function()
      local function refused(rules, method)
        local export = method and { methods = { f = { validation = rules } } }
          or { validation = rules }
        local ok, message = pcall(serve, { f = print }, export)
        assert.is_false(ok)
        assert.truthy(message:find('demo.Spec', 1, true), message)
        return message
      end
      for part, rules in pairs {
        ["args[1]: no type 'strng'; did you mean 'string'?"] = { { type = 'strng' } },
        ["args[1].fields.a: no rule 'mn'; did you mean 'min'?"] = {
          { type = 'table', fields = { a = { type = 'string', mn = 1 } } },
        },
        ["rule 'pattern' does not fit type 'integer'; it fits string"] = {
          { type = 'integer', pattern = 'x' },
        },
        ['args[2].items: a rule is a table'] = { { type = 'any' }, { type = 'list', items = 5 } },
        ['min and max leave nothing that fits'] = { { type = 'number', max = 0 / 0 } },
        ['min 5 is more than max 1'] = { { type = 'integer', min = 5, max = 1 } },
        ["pattern '[' is no Lua pattern"] = { { type = 'string', pattern = '[' } },
        ['default must be an integer of at least 1'] = {
          { type = 'integer', min = 1, default = 0 },
        },
        ['enum must be a list'] = { { type = 'string', enum = {} } },
        ['says nothing'] = true,
        ["validator 'nobody' unknown"] = 'nobody',
        ["unknown setting 'arg'; did you mean 'args'?"] = { arg = {} },
      } do
        local message = refused(rules)
        assert.truthy(message:find(part, 1, true), part .. ' in ' .. message)
      end
      assert.truthy(refused({ { type = 'x' } }, true):find('methods.f:', 1, true))
    end)
  )

  it(
    'takes 64-bit integers, NaN and null for what they are',
    inside(function()
      local rules = require 'perilune.entry.rules'
      local check = assert(rules.compile({
        { type = 'integer', min = 1, optional = true },
        { type = 'number', optional = true },
      }, 'args', { list = true }))
      assert.is_nil(check { 5LL, 1.5 })
      assert.is_nil(check { perilune.null, perilune.null })
      assert.truthy(check { 0LL })
      -- Of an interface with int64 = 'cdata' Java's longs are such, small ones too.
      local function odd(value)
        return value % 2 == 1, 'must be odd'
      end
      check = rules.compile({
        { type = 'integer', enum = { 1, 3, 4, 9007199254740993LL }, check = odd },
      }, 'args', { list = true })
      local any = rules.compile({ type = 'any', enum = { 1, 'x' } }, 'arg')
      assert.is_nil(any(1LL) or any 'x')
      assert.truthy(any(2LL))
      for _, right in ipairs { 1, 1LL, 3ULL, 9007199254740993LL } do
        assert.is_nil(check { right })
      end
      for value, message in pairs {
        [7LL] = 'must be one of 1, 3, 4, 9007199254740993LL',
        [9007199254740995LL] = 'must be one of 1, 3, 4, 9007199254740993LL',
        [4LL] = 'must be odd',
        [4] = 'must be odd',
      } do
        local failures = check { value }
        assert.equal(message, failures and failures[1].message)
      end
      assert.truthy(check { 1 / 0 })
      assert.truthy(check { nil, 0 / 0 })
    end)
  )

  it(
    'looks at no more values than a message may have, wherever the same table stands',
    inside(function()
      local rules = require 'perilune.entry.rules'
      local text = { type = 'list', items = { type = 'string' } }
      local map = { type = 'table', values = { type = 'list', items = text } }
      local bare = { type = 'table', extra = false, optional = true }
      local list = { type = 'list', items = { type = 'list', items = bare } }
      local check = rules.compile({ map, list }, 'args', { list = true })
      assert.is_nil(check { { a = { { 'x' }, { 'y' } } }, { { {}, {} } } })
      local function repeated(value, times, into)
        into = into or {}
        for i = 1, times do
          into[type(next(into)) == 'string' and 'k' .. i or i] = value
        end
        return into
      end
      local wide = repeated(repeated('x', 1e5), 1e5)
      local failures = check { repeated(wide, 1e4, { a = wide }), {} }
      assert.equal('has too many values', failures[1].message)
      local many = {}
      for i = 1, 1e5 do
        many['k' .. i] = i
      end
      failures = check { {}, repeated(repeated(many, 1e5), 1e5) }
      assert.equal(32, #failures) -- the fields that nobody knows; the others are not looked at
    end)
  )

  it(
    'takes bounds that bound nothing',
    inside(function()
      local rules = require 'perilune.entry.rules'
      for _, most in ipairs { math.huge, 2 ^ 64, 100 } do
        local check = assert(rules.compile({
          { type = 'integer', min = -math.huge, max = most },
          { type = 'number', min = 0, max = most },
          { type = 'string', max = most },
          { type = 'list', max = most },
        }, 'args', { list = true }))
        assert.is_nil(check { 7, 7, 'seven', { 7 } })
        assert.is_nil(check { 7LL, 7, 'seven', { 7 } })
        local failures = check { 7, -1, 'seven', { 7 } }
        assert.equal('args[2]', failures[1].field)
      end
    end)
  )
end)
