-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('a filter', function()
  it(
    'stands around the handler, in the order of the list',
    inside(function()
      local seen = {}
      for _, name in ipairs { 'outer', 'inner' } do
        perilune.filter(name, function(ctx, call, next)
          seen[#seen + 1] = name .. ' in'
          local result, err = next(ctx, call)
          seen[#seen + 1] = name .. ' out'
          return result .. ' via ' .. name, err
        end)
      end
      local greeter = serve({
        hello = function()
          seen[#seen + 1] = 'handler'
          return 'hello'
        end,
      }, { filters = { 'outer', 'inner' } })
      assert.equal('hello via inner via outer', (greeter:hello()))
      assert.same({ 'outer in', 'inner in', 'handler', 'inner out', 'outer out' }, seen)
    end)
  )

  it(
    'is moved by before and after',
    inside(function()
      local seen = {}
      local function note(name, more)
        local spec = {
          name = name,
          new = function()
            return function(ctx, call, next)
              seen[#seen + 1] = name
              return next(ctx, call)
            end
          end,
        }
        for key, value in pairs(more or {}) do
          spec[key] = value
        end
        perilune.filter(spec)
      end
      note 'one'
      note('two', { before = { 'one' } })
      note('three', { after = 'four' })
      note 'four'
      local greeter = serve({
        hello = function()
          return 1
        end,
      }, { filters = { 'one', 'two', 'three', 'four' } })
      greeter:hello()
      assert.same({ 'two', 'one', 'four', 'three' }, seen)
    end)
  )

  it(
    'in a circle is an error that shows it',
    inside(function()
      local function pass(ctx, call, next)
        return next(ctx, call)
      end
      perilune.filter {
        name = 'chicken',
        before = { 'egg' },
        new = function()
          return pass
        end,
      }
      perilune.filter {
        name = 'egg',
        before = { 'chicken' },
        new = function()
          return pass
        end,
      }
      local ok, message = pcall(serve, { hello = pass }, { filters = { 'chicken', 'egg' } })
      assert.is_false(ok)
      assert.truthy(message:find('circle', 1, true))
      assert.truthy(message:find('egg', 1, true))
    end)
  )

  it(
    'that is unknown is an error, a neighbour that is unknown a warning',
    inside(function()
      local function pass(ctx, call, next)
        return next(ctx, call)
      end
      perilune.filter {
        name = 'quota',
        after = { 'nobody' },
        new = function()
          return pass
        end,
      }
      local ok, message = pcall(serve, { hello = pass }, { filters = { 'quoter' } })
      assert.is_false(ok)
      assert.truthy(message:find("did you mean 'quota'?", 1, true))
      assert.truthy(message:find('spec.*demo.Spec'))
      local greeter = serve({
        hello = function()
          return 1
        end,
      }, { filters = { 'quota' } })
      assert.equal(1, (greeter:hello()))
      assert.truthy(logged('FILTER-ORDER')[1].text:find("'nobody'", 1, true))
    end)
  )

  it(
    'of the other side is refused',
    inside(function()
      perilune.filter {
        name = 'mine',
        side = 'provider',
        new = function()
          return function(ctx, call, next)
            return next(ctx, call)
          end
        end,
      }
      local ok, message =
        pcall(perilune.refer, { interface = 'demo.X', url = core.test_url(), filters = { 'mine' } })
      assert.is_false(ok)
      assert.truthy(message:find("side 'provider'", 1, true))
    end)
  )

  it(
    'takes settings checked by its schema',
    inside(function()
      perilune.filter {
        name = 'times',
        schema = { n = { type = 'integer', min = 1, default = 2 } },
        new = function(conf)
          return function(ctx, call, next)
            return (next(ctx, call)) * conf.n
          end
        end,
      }
      local service = {
        one = function()
          return 1
        end,
      }
      assert.equal(2, ((serve(service, { filters = { 'times' } })):one()))
      assert.equal(5, ((serve(service, { filters = { { 'times', n = 5 } } })):one()))
      local ok, message = pcall(serve, service, { filters = { { 'times', n = 0 } } })
      assert.is_false(ok)
      assert.truthy(message:find('n must be integer of at least 1', 1, true))
      ok, message = pcall(serve, service, { filters = { { 'times', m = 1 } } })
      assert.is_false(ok)
      assert.truthy(message:find("unknown setting 'm'", 1, true))
    end)
  )

  it(
    'may stand in place, and for one method only',
    inside(function()
      local greeter = serve({
        plain = function()
          return 1
        end,
        wrapped = function()
          return 1
        end,
      }, {
        methods = {
          wrapped = {
            filters = {
              function(ctx, call, next)
                return (next(ctx, call)) + 10
              end,
            },
          },
        },
      })
      assert.equal(1, (greeter:plain()))
      assert.equal(11, (greeter:wrapped()))
    end)
  )

  it(
    'that returns nothing is named',
    inside(function()
      perilune.filter('forgetful', function(ctx, call, next)
        next(ctx, call)
      end)
      local greeter = serve({
        hello = function()
          return 1
        end,
      }, { filters = { 'forgetful' } })
      local _, err = greeter:hello()
      assert.equal('INTERNAL', err.code)
      assert.truthy(
        logged('SCRIPT-ERROR')[1].text:find("filter 'forgetful' returned nothing", 1, true)
      )

      local client = serve({
        hello = function()
          return 1
        end,
      }, nil, { filters = { 'forgetful' } })
      _, err = client:hello()
      assert.equal('INTERNAL', err.code)
    end)
  )

  it(
    'that throws fails one call',
    inside(function()
      local bad = true
      local greeter = serve({
        hello = function()
          return 'fine'
        end,
      }, {
        filters = {
          function(ctx, call, next)
            if bad then
              local none = nil
              return none.field
            end
            return next(ctx, call)
          end,
        },
      })
      local _, err = greeter:hello()
      assert.equal('INTERNAL', err.code)
      assert.equal(1, #logged 'SCRIPT-ERROR')
      bad = false
      assert.equal('fine', (greeter:hello()))
    end)
  )

  it(
    'may answer itself, with a result or an error',
    inside(function()
      local ran = false
      local greeter = serve({
        hello = function()
          ran = true
        end,
      }, {
        filters = {
          function(_, call)
            if call.args[1] == 'cached' then
              return 'from the cache'
            end
            return nil, 'no'
          end,
        },
      })
      assert.equal('from the cache', (greeter:hello 'cached'))
      local _, err = greeter:hello 'other'
      assert.equal('UNKNOWN', err.code)
      assert.equal('no', err.message)
      assert.is_false(ran)
    end)
  )

  it(
    "sees the handler's error as a value, and may mend it",
    inside(function()
      local seen
      local greeter = serve({
        boom = function()
          error 'kaboom'
        end,
      }, {
        filters = {
          function(ctx, call, next)
            local result, err = next(ctx, call)
            seen = err
            if err then
              return 'mended'
            end
            return result
          end,
        },
      })
      assert.equal('mended', (greeter:boom()))
      assert.equal('INTERNAL', seen.code)
    end)
  )

  it(
    'may change the arguments',
    inside(function()
      local greeter = serve({
        one = function(_, a)
          return a
        end,
        two = function(_, a, b)
          return { a = a, b = b }
        end,
        var = function(_, ...)
          return { n = select('#', ...), ... }
        end,
        few = function(_, a)
          return a
        end,
      }, {
        filters = {
          function(ctx, call, next)
            if call.method == 'few' then
              call.args[1] = call.args.n .. ' ' .. call.args[3]
            elseif call.method == 'one' then
              call.args[1] = call.args[1] + 1
            elseif call.method == 'two' then
              call.args = { 'new', call.args[1] }
            else
              call.args = { 'x', 'y', 'z' }
            end
            return next(ctx, call)
          end,
        },
      })
      assert.equal(2, (greeter:one(1)))
      assert.equal('3 third', (greeter:few(1, 2, 'third')))
      assert.same({ a = 'new', b = 'old' }, (greeter:two 'old'))
      assert.same(
        { n = 3, 'x', 'y', 'z' },
        (function(t)
          return { n = t.n or t['n'], t[1] or t['1'], t[2] or t['2'], t[3] or t['3'] }
        end)((greeter:var(1, 2)))
      )
    end)
  )

  it(
    'of a consumer may change arguments and attachments, and answer',
    inside(function()
      local greeter = serve(
        {
          look = function(ctx, name)
            return { name = name, colour = ctx.call.attachments.colour }
          end,
        },
        nil,
        {
          filters = {
            function(ctx, call, next)
              if call.args[1] == 'cached' then
                return 'from the cache'
              end
              call.args[1] = call.args[1] .. '!'
              call.attachments.colour = 'green'
              return next(ctx, call)
            end,
          },
        }
      )
      assert.same({ name = 'moon!', colour = 'green' }, (greeter:look 'moon'))
      assert.equal('from the cache', (greeter:look 'cached'))
    end)
  )

  it(
    'of an attempt stands between the router and the node',
    inside(function()
      local nodes = {}
      local greeter = serve(
        {
          hello = function()
            return 'hello'
          end,
        },
        nil,
        {
          attempt_filters = {
            function(ctx, call, next)
              nodes[#nodes + 1] = ctx.node.address
              return next(ctx, call)
            end,
          },
        }
      )
      assert.equal('hello', (greeter:hello()))
      assert.equal(1, #nodes)
    end)
  )

  it(
    'may wait',
    inside(function()
      local function wait(ctx, call, next)
        perilune.sleep(1)
        local result, err = next(ctx, call)
        perilune.sleep(1)
        return result, err
      end
      local greeter = serve({
        hello = function()
          return 'hello'
        end,
      }, { filters = { wait, wait } }, { filters = { wait } })
      assert.equal('hello', (greeter:hello()))
    end)
  )

  it(
    'hands data to the handler through ctx.state',
    inside(function()
      local greeter = serve({
        hello = function(ctx)
          return ctx.state.user
        end,
        bare = function(ctx)
          return ctx.state.user == nil
        end,
      }, {
        filters = {
          function(ctx, call, next)
            if call.method == 'hello' then
              ctx.state.user = 'eve'
            end
            return next(ctx, call)
          end,
        },
      })
      assert.equal('eve', (greeter:hello()))
      assert.is_true((greeter:bare()))
    end)
  )

  it(
    'list of five costs no script error and keeps its order',
    inside(function()
      local n = 0
      local function count(ctx, call, next)
        n = n + 1
        return next(ctx, call)
      end
      local greeter = serve({
        hello = function()
          return 'hello'
        end,
      }, { filters = { count, count, count, count, count } })
      for _ = 1, 50 do
        assert.equal('hello', (greeter:hello()))
      end
      assert.equal(250, n)
    end)
  )
end)
