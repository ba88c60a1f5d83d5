-- SPDX-License-Identifier: MIT
-- What `perilune new` writes: for each kind a list of { path, text }. NAME, TITLE (first letter in
-- capitals), POINT and LAYER are replaced. Each plugin comes with a spec that tries it alone and
-- through a call.
local M = {}

-- A spec of a policy: `own` stands first, then one that uses the policy by name.
local function spec(own, use)
  return ([[
local perilune = require 'perilune'
local testing = require 'perilune.testing'
local plugin = require 'perilune.LAYER.POINT.NAME'

describe('POINT NAME', function()
  it('does what it should', function()
%s  end)

  it('is found by its name', function()
    perilune.export {
      interface = 'spec.NAME',
      service = {
        echo = function(_, text)
          return text
        end,
      },
    }
    local url = testing.listen():gsub('^tcp', 'joyrpc')
    local echo = perilune.refer {
      interface = 'spec.NAME',
%s    }
    assert.equal('moon', perilune.check(echo:echo 'moon'))
  end)
end)
]]):format(own, use)
end

local NODES = [[
    local nodes = { { weight = 1, meta = {} }, { weight = 5, meta = { version = 'v2' } } }
]]

-- point -> its file, its spec
M.plugins = {
  filter = {
    layer = 'entry',
    text = [[
-- NAME: refuses calls whose first argument is a text longer than `longest`.
--
--   filters = { { 'NAME', longest = 100 } }
local policy = require('perilune').policy

return {
  name = 'NAME',
  side = 'both',
  schema = {
    longest = { type = 'integer', min = 1, default = 1000, help = 'bytes of the first argument' },
  },
  new = function(conf)
    return function(ctx, call, next)
      local text = call.args[1]
      if type(text) == 'string' and #text > conf.longest then
        return nil, policy.error('BAD_REQUEST', 'the text is too long')
      end
      return next(ctx, call)
    end
  end,
}
]],
    spec = spec(
      [[
    local filter = plugin.new { longest = 4 }
    local function next()
      return 'passed'
    end
    assert.equal('passed', (filter({}, { args = { 'moon' } }, next)))
    local result, err = filter({}, { args = { 'jupiter' } }, next)
    assert.is_nil(result)
    assert.equal('BAD_REQUEST', err.code)
]],
      "      url = url,\n      filters = { 'NAME' },\n"
    ),
  },
  loadbalance = {
    layer = 'cluster',
    text = [[
-- NAME: the node with the largest weight, the first of several.
--
--   loadbalance = 'NAME'
return {
  name = 'NAME',
  new = function()
    return function(_, _, nodes)
      local best = nodes[1]
      for i = 2, #nodes do
        if nodes[i].weight > best.weight then
          best = nodes[i]
        end
      end
      return best
    end
  end,
}
]],
    spec = spec(NODES .. [[
    assert.equal(nodes[2], plugin.new()({}, {}, nodes))
]], "      url = url,\n      loadbalance = 'NAME',\n"),
  },
  selector = {
    layer = 'cluster',
    text = [[
-- NAME: nodes whose `version` is the one that the attachment of this name asks for; all of them when
-- it asks for none. A rule is looked up in an index and costs the same with many nodes.
--
--   selectors = { 'NAME' }
return {
  name = 'NAME',
  by = 'version',
  want = function(_, call)
    return call.attachments.NAME
  end,
  otherwise = 'all',
}
]],
    spec = spec(
      [[
    assert.equal('v2', plugin.want({}, { attachments = { NAME = 'v2' } }))
    assert.is_nil(plugin.want({}, { attachments = {} }))
]],
      "      url = url,\n      selectors = { 'NAME' },\n"
    ),
  },
  router = {
    layer = 'cluster',
    text = [[
-- NAME: one attempt, and a second one, where the balancer says then, when the first may be repeated.
--
--   router = 'NAME'
return {
  name = 'NAME',
  route = function(ctx, call, nodes, send)
    local result, err = send(nodes:pick(ctx, call))
    if err and err.retryable then
      return send(nodes:pick(ctx, call))
    end
    return result, err
  end,
}
]],
    spec = spec(
      [[
    local sent = 0
    local nodes = {
      pick = function() end,
    }
    local result = plugin.route({}, {}, nodes, function()
      sent = sent + 1
      if sent == 1 then
        return nil, { retryable = true }
      end
      return 'second'
    end)
    assert.equal('second', result)
]],
      "      url = url,\n      router = 'NAME',\n"
    ),
  },
  registry = {
    layer = 'cluster',
    text = [[
-- NAME: a registry whose list stands in its URL.
--
--   registry = 'NAME://list?nodes=joyrpc://127.0.0.1:22000,joyrpc://127.0.0.1:22001'
local urls = require 'perilune.cluster.url'

return {
  name = 'NAME',
  schema = {
    nodes = { type = 'string', required = true, help = 'URLs of providers, separated by commas' },
  },
  new = function(conf)
    local entries = {}
    for text in conf.nodes:gmatch '[^,]+' do
      local entry, message = urls.entry(text)
      if not entry then
        return nil, message
      end
      entries[#entries + 1] = entry
    end
    return {
      subscribe = function(_, _, on_change)
        on_change { version = 1, entries = entries, explicit = true }
        return {}
      end,
      close = function() end,
    }
  end,
}
]],
    spec = spec(
      [[
    local registry = plugin.new { nodes = 'joyrpc://127.0.0.1:1,joyrpc://127.0.0.1:2' }
    local snapshot
    registry:subscribe({ interface = 'spec.NAME' }, function(given)
      snapshot = given
    end)
    assert.equal(2, #snapshot.entries)
    local none, message = plugin.new { nodes = 'nonsense' }
    assert.is_nil(none)
    assert.is_string(message)
]],
      "      registry = 'NAME://list?nodes=' .. url,\n"
    ),
  },
}

M.service = {
  {
    'NAME/main.lua',
    [[
-- perilune run NAME/main.lua
local perilune = require 'perilune'

perilune.export { interface = 'demo.TITLE', service = require 'service' }
perilune.listen 'tcp://127.0.0.1:22000'
]],
  },
  {
    'NAME/service.lua',
    [[
-- The methods of demo.TITLE. A handler returns its result, or nil and an error.
local perilune = require 'perilune'

return {
  hello = function(ctx, name)
    if type(name) ~= 'string' then
      return nil, perilune.error('BAD_REQUEST', 'hello wants a name')
    end
    return 'hello ' .. name
  end,
}
]],
  },
  {
    'NAME/spec/service_spec.lua',
    [[
-- perilune test NAME
local perilune = require 'perilune'
local testing = require 'perilune.testing'

local folder = debug.getinfo(1, 'S').source:match '^@(.*/)spec/' or './'

describe('demo.TITLE', function()
  local NAME

  setup(function()
    perilune.export { interface = 'demo.TITLE', service = dofile(folder .. 'service.lua') }
    local url = testing.listen():gsub('^tcp', 'joyrpc')
    NAME = perilune.refer { interface = 'demo.TITLE', url = url }
  end)

  it('says hello', function()
    assert.equal('hello moon', perilune.check(NAME:hello 'moon'))
  end)

  it('wants a name', function()
    local result, err = NAME:hello(1)
    assert.is_nil(result)
    assert.equal('BAD_REQUEST', err.code)
  end)
end)
]],
  },
}

M.rock = {
  {
    'perilune-NAME/perilune-NAME-0.1.0-1.rockspec',
    [[
rockspec_format = '3.0'
package = 'perilune-NAME'
version = '0.1.0-1'
source = { url = 'git+https://example.org/perilune-NAME.git', tag = 'v0.1.0' }
description = {
  summary = 'POINT NAME for Perilune',
  license = 'MIT',
}
dependencies = { 'lua == 5.1' }
build = {
  type = 'builtin',
  modules = {
    ['perilune.LAYER.POINT.NAME'] = 'lua/perilune/LAYER/POINT/NAME.lua',
  },
}
]],
  },
  {
    'perilune-NAME/README.md',
    [[
# NAME

POINT `NAME` for [Perilune].

    perilune test                                            # its spec
    luarocks --lua-version 5.1 make --tree APP/.rocks        # beside APP/app.lua
    perilune plugins APP/app.lua                             # shows it

luarocks wants the headers of Lua 5.1 to be there (Debian: liblua5.1-0-dev).

[Perilune]: https://example.org/perilune
]],
  },
}

return M
