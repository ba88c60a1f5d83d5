-- SPDX-License-Identifier: MIT
-- A chain whose filters only go before calls the handler after them, not within them. Nobody may see that.
local inside = require('spec.support.vm').inside

local KINDS = {
  ['no filter'] = 'return {}',
  ['a filter that goes before'] = 'return { function(ctx, call, next) return next(ctx, call) end }',
  ['one that may end without a word'] = [[return { function(ctx, call, next)
    if call then return next(ctx, call) end
  end }]],
  ['one that waits before'] = [[return { function(ctx, call, next)
    perilune.sleep(0)
    return next(ctx, call)
  end }]],
  ['a filter around'] = [[return { function(ctx, call, next)
    local result, err = next(ctx, call)
    return result, err
  end }]],
}

for name, filters in pairs(KINDS) do
  local function with(text)
    return inside(loadstring(('local filters = (function() %s end)()\n%s'):format(filters, text)))
  end

  describe('a handler behind ' .. name, function()
    it(
      'gives what it gives',
      with [[
        local greeter = serve({
          two = function(_, a) return a, 'more' end,
          none = function() end,
          nothing = function() return nil end,
          falsy = function() return false end,
          fails = function() return nil, perilune.error('NOT_FOUND', 'no') end,
          throws = function() error(perilune.error('LIMITED', 'later')) end,
          bug = function() error 'secret' end,
          waits = function(_, a) perilune.sleep(0) return a end,
          any = function(_, ...) return select('#', ...) .. ' ' .. tostring((...)) end,
        }, { filters = filters })
        local function told(method, ...)
          local result, err = greeter[method](greeter, ...)
          return { result, err and err.code .. ' ' .. err.message }
        end
        assert.same({ 'a' }, told('two', 'a'))
        assert.same({ 'b' }, told('two', 'b'))
        assert.equal(1, #logged 'RESULT-DROPPED')
        assert.same({}, told 'none')
        assert.same({}, told 'nothing')
        assert.same({ false }, told 'falsy')
        assert.same({ nil, 'NOT_FOUND no' }, told 'fails')
        assert.same({ nil, 'LIMITED later' }, told 'throws')
        assert.same({ nil, 'INTERNAL internal error' }, told 'bug')
        assert.equal(1, #logged 'SCRIPT-ERROR')
        assert.same({ 1 }, told('waits', 1))
        assert.same({ '2 x' }, told('any', 'x', 'y'))
      ]]
    )

    it(
      'that waits meets neither the data nor the ctx of others',
      with [[
        local kept, wrong = {}, 0
        local greeter = serve({
          hold = function(ctx, n)
            local method = ctx.call.method
            perilune.sleep(0)
            wrong = wrong + (ctx.call.args[1] == n and ctx.call.method == method and 0 or 1)
            kept[#kept + 1] = { ctx, ctx.call }
            return n
          end,
        }, { filters = filters })
        local futures = {}
        for round = 1, 3 do
          for i = 1, 40 do
            futures[i] = perilune.async(greeter):hold(round * 100 + i)
          end
          for i = 1, 40 do
            assert.equal(round * 100 + i, (futures[i]:await()))
          end
        end
        assert.equal(0, wrong)
        for _, handles in ipairs(kept) do
          for _, handle in ipairs(handles) do
            assert.is_false(pcall(function() return handle.peer or handle.method end))
          end
        end
      ]]
    )
  end)
end

describe('a filter that goes before', function()
  it(
    'may answer, fail, and put other arguments in place',
    inside(function()
      local reached = 0
      local greeter = serve({
        hello = function(_, a, b)
          reached = reached + 1
          return ('%s %s'):format(a, b)
        end,
      }, {
        filters = {
          function(ctx, call, next)
            if call.args[1] == 'answer' then
              return 'answered', nil
            elseif call.args[1] == 'fail' then
              return 'both', perilune.error('LIMITED', 'later')
            elseif call.args[1] == 'throw' then
              error(perilune.error('NOT_FOUND', 'no'))
            end
            call.args = { 'other', call.args[2] }
            return next(ctx, call)
          end,
        },
      })
      assert.equal('answered', (greeter:hello 'answer'))
      assert.equal('LIMITED', select(2, greeter:hello 'fail').code)
      assert.equal('NOT_FOUND', select(2, greeter:hello 'throw').code)
      assert.equal(0, reached)
      assert.equal('other moon', (greeter:hello('sun', 'moon')))
      assert.equal(0, #logged 'RESULT-DROPPED')
    end)
  )

  it(
    'fails without ctx, as others do',
    inside(function()
      for _, filter in ipairs {
        function(_, _, next)
          return next()
        end,
        function(_, _, next)
          local result, err = next()
          return result, err
        end,
        function(_, call, next)
          return next('ctx', call)
        end,
      } do
        local greeter = serve({
          hello = function()
            return 'reached'
          end,
        }, { filters = { filter } })
        local result, err = greeter:hello()
        assert.is_nil(result)
        assert.equal('INTERNAL', err.code)
      end
      for _, line in ipairs(logged 'SCRIPT-ERROR') do
        assert.truthy(line.text:find('next without ctx and call', 1, true), line.text)
      end
      assert.equal(3, #logged 'SCRIPT-ERROR')
    end)
  )

  it(
    'gets what a filter hands on in place of ctx, as behind others',
    inside(function()
      local own = {}
      local function wraps(ctx, call, next)
        own.__index = ctx
        return next(setmetatable({ user = 'moon' }, own), call)
      end
      local function around(ctx, call, next)
        local result, err = next(ctx, call)
        return result, err
      end
      for _, filters in ipairs { { wraps }, { around, wraps } } do
        local greeter = serve({
          hello = function(ctx, text)
            return text .. ctx.user .. ctx.call.method
          end,
          fail = function(ctx)
            return nil, perilune.error('NOT_FOUND', ctx.user)
          end,
        }, { filters = filters })
        assert.equal('to moonhello', perilune.check(greeter:hello 'to '))
        local _, err = greeter:fail()
        assert.same({ 'NOT_FOUND', 'moon' }, { err.code, err.message })
      end
      local function loses(_, call, next)
        return next({}, call)
      end
      local greeter = serve({
        hello = function()
          return 'reached'
        end,
      }, { filters = { loses } })
      assert.equal('INTERNAL', select(2, greeter:hello()).code)
    end)
  )
end)
