-- SPDX-License-Identifier: MIT
-- A stock JoyRPC, 1.4.7, in both directions.
local app = require 'spec.support.app'
local cases = require 'spec.interop.cases'
local java = require 'spec.interop.java'
local matrix = require 'spec.interop.matrix'
local probe = require 'spec.interop.probe'

local CHAR =
  { 'Java', 'char: JoyRPC cannot read a char in Hessian, not even from Java (ClassCastException)' }

describe('JoyRPC', function()
  local why = java.missing()
  if why then
    pending(why)
    return
  end
  local table_of_cases = matrix.new('joyrpc', 'JoyRPC 1.4.7')

  after_each(function()
    java.stop_all()
    app.stop_all()
  end)

  teardown(function()
    table_of_cases:write(14)
  end)

  local function judge(column, results, order)
    local failed = {}
    for _, name in ipairs(order) do
      local seen = results[name]
      if name == 'char' and seen ~= true then
        seen = CHAR
      end
      table_of_cases:add(column, name, seen)
      if type(seen) == 'string' then
        failed[#failed + 1] = ('%s: %s'):format(name, seen)
      end
    end
    assert.same({}, failed)
    assert.is_true(#order > 0)
  end

  it('calls us in Hessian, every case', function()
    local server = app.serve(probe.server 'generic = true')
    local port = server.url:match ':(%d+)'
    judge('Java to Lua, hessian', java.cases('joyrpc', { port = port, serialization = 'hessian' }))
  end)

  for _, compression in ipairs { 'snappy', 'lz4', 'zlib', 'gzip', 'lzma', 'lz4f' } do
    it('calls us with ' .. compression, function()
      local server = app.serve(probe.server())
      local port = server.url:match ':(%d+)'
      judge(
        'Java to Lua, ' .. compression,
        java.cases(
          'joyrpc',
          { port = port, compress = compression },
          { 'sync', 'null result', '1 MiB', '1 MiB string', 'object' }
        )
      )
    end)
  end

  it('authenticates its sessions with a token', function()
    local server = app.serve(probe.server "auth = { 'token', token = 'open sesame' }")
    local settings = { port = server.url:match ':(%d+)', token = 'open sesame' }
    local results = java.cases('joyrpc', settings, { 'sync' })
    assert.is_true(results.sync)
    table_of_cases:add('Java to Lua, hessian', 'token', results.sync)
  end)

  describe('is called', function()
    local function run(provider, more)
      return cases.run {
        scheme = 'joyrpc',
        port = provider.port,
        more = more,
        watch = "'demo.joyrpc.Watch'",
      }
    end

    it('by us in Hessian, every case', function()
      judge('Lua to Java, hessian', run(java.provider 'joyrpc'))
    end)

    for _, compression in ipairs { 'snappy', 'lz4', 'zlib', 'gzip', 'lzma', 'lz4f' } do
      it('by us with ' .. compression, function()
        local more = ("compression = '%s',"):format(compression)
        judge('Lua to Java, ' .. compression, run(java.provider 'joyrpc', more))
      end)
    end
  end)
end)
