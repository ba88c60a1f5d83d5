-- SPDX-License-Identifier: MIT
local inside = require('spec.support.vm').inside

describe('loading', function()
  it(
    'declares and opens nothing',
    inside(function()
      local declare = require 'perilune.entry.declare'
      local path = os.tmpname()
      local file = io.open(path, 'w')
      file:write [[
      local perilune = require 'perilune'
      perilune.export { interface = 'demo.Declared', service = { hello = function() return 'hello' end } }
      perilune.refer { interface = 'demo.Declared', url = 'joyrpc://127.0.0.1:1' }
      perilune.listen 'tcp://127.0.0.1:0'
      perilune.start(function() end)
      perilune.main(function() end)
    ]]
      file:close()
      local found, message = declare.load(path)
      os.remove(path)
      assert(found, message)
      assert.equal(1, #found.exports)
      assert.equal(1, #found.refers)
      assert.equal('tcp://127.0.0.1:0', found.listens[1].url)
      assert.equal(1, #found.starts)
      assert.truthy(found.main)
      local proxy = perilune.refer { interface = 'demo.Declared', url = core.test_url() }
      local _, err = proxy:hello()
      assert.equal('NO_SERVICE', err.code)
      assert.is_true(declare.commit(true))
      assert.equal('hello', (proxy:hello()))
      assert.truthy(declare.digest():find('export demo.Declared: hello()', 1, true))
    end)
  )

  it(
    'that waits says what to use instead',
    inside(function()
      local declare = require 'perilune.entry.declare'
      for _, source in ipairs {
        "require('perilune').sleep(1)",
        "local p = require 'perilune' "
          .. "p.refer({ interface = 'demo.X', url = 'joyrpc://127.0.0.1:1' }):hello()",
        "local p = require 'perilune' local f, settle = p.future() p.start(settle) f:await()",
      } do
        local path = os.tmpname()
        local file = io.open(path, 'w')
        file:write(source)
        file:close()
        local found, message = declare.load(path)
        os.remove(path)
        assert.is_nil(found)
        for _, settle in ipairs(declare.declarations().starts) do
          settle()
        end
        assert.truthy(
          message:find('cannot wait while loading; use perilune.main or perilune.start', 1, true),
          message
        )
      end
    end)
  )

  it(
    'of what is broken gives one line with the place',
    inside(function()
      local declare = require 'perilune.entry.declare'
      local path = os.tmpname()
      local function load(source)
        local file = io.open(path, 'w')
        file:write(source)
        file:close()
        local found, message = declare.load(path)
        assert.is_nil(found)
        return message
      end
      local function says(source, text)
        local message = load("local perilune = require 'perilune'\n" .. source)
        assert.truthy(message:find(text, 1, true), message)
        assert.truthy(message:find(path .. ':2', 1, true), message)
        assert.is_nil(message:find '\n')
      end
      says('perilune.export {', 'unexpected symbol')
      says('error "no"', 'no')
      says(
        "perilune.export { interface = 'demo.X', service = { f = 1 } }",
        "method 'f' must be a function"
      )
      says("perilune.export { interface = 'demo.X', service = {} }", 'no method is left')
      says(
        "perilune.export { interface = 'demo.X', service = { f = print }, metods = {} }",
        "did you mean 'methods'?"
      )
      says(
        "perilune.export { interface = 'demo.X', service = { f = print }, methods = { g = {} } }",
        "options for 'g'"
      )
      says(
        "perilune.export { interface = 'demo.X', service = { f = print }, include = { 'g' } }",
        "include names 'g'"
      )
      says(
        "perilune.export { interface = 'demo.X', service = { f = print }, exclude = { 'g' } }",
        "exclude names 'g', which the service does not have"
      )
      says(
        "perilune.export { interface = 'demo.X', service = { f = print }, "
          .. "methods = { f = { timeout = 'x' } } }",
        'timeout must be'
      )
      says('perilune.listen { prot = 1 }', 'prot')
      says('perilune.main(1)', 'needs a function')
      says("perilune.filter('Bad Name', print)", 'lower case')
      assert.truthy(
        load("local p = require 'perilune' p.main(print) p.main(print)"):find(
          'declared already',
          1,
          true
        )
      )
      os.remove(path)
      assert.truthy(select(2, declare.load '/nonexistent/app.lua'):find('cannot open', 1, true))
    end)
  )

  it(
    'refuses the same service twice',
    inside(function()
      local spec = { interface = 'demo.Twice', service = { f = print } }
      perilune.export(spec)
      local ok, message = pcall(perilune.export, spec)
      assert.is_false(ok)
      assert.truthy(message:find('exported already', 1, true))
    end)
  )
end)

describe('include and exclude', function()
  it(
    'choose the methods',
    inside(function()
      local service = {
        a = function()
          return 'a'
        end,
        b = function()
          return 'b'
        end,
        c = function()
          return 'c'
        end,
      }
      local some = serve(service, { include = { 'a', 'b' }, exclude = { 'b' } })
      assert.equal('a', (some:a()))
      local _, err = some:b()
      assert.equal('NO_METHOD', err.code)
      _, err = some:c()
      assert.equal('NO_METHOD', err.code)
      perilune.defaults { exclude = { 'c', 'secret' } } -- of every service that has them
      local others = serve(service)
      assert.equal('b', (others:b()))
      _, err = others:c()
      assert.equal('NO_METHOD', err.code)
    end)
  )
end)

describe('perilune.defaults', function()
  it(
    'hold for later declarations that say nothing else',
    inside(function()
      perilune.defaults { timeout = 77 }
      local greeter = serve {
        left = function(ctx)
          return ctx:left()
        end,
      }
      assert.truthy((greeter:left()) <= 77)
      assert.is_false((pcall(perilune.defaults, { timout = 1 })))
    end)
  )
end)

describe('perilune.state', function()
  it(
    'is made once',
    inside(function()
      local made = 0
      local function init()
        made = made + 1
        return { n = 1 }
      end
      local a, b = perilune.state('spec', init), perilune.state('spec', init)
      assert.equal(a, b)
      assert.equal(1, made)
    end)
  )
end)
