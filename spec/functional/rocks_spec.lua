-- SPDX-License-Identifier: MIT
-- Every rock passes luarocks, is installed beside a script, is found there, and passes its own specs.
local app = require 'spec.support.app'
local c = require 'spec.support.c'
local child = require 'spec.support.child'
local lfs = require 'lfs'

local ROCKS = {
  ['perilune-redis'] = { 'registry', 'redis' },
  ['perilune-gradient'] = { 'filter', 'gradient' },
  ['perilune-audit'] = { 'filter', 'audit' },
}

local function binary()
  local path = child.binary()
  return path:sub(1, 1) == '/' and path or lfs.currentdir() .. '/' .. path
end

local function sh(command)
  local result = child.run({ 'sh', '-c', command }, { limit = 60 })
  assert.equal(0, result.code, result.output)
  return result.output
end

-- A folder with the rock in .rocks, by a copy of the sources that luarocks may write to.
local function install(name)
  local folder = app.script("require('perilune').main(print)"):match '^(.*)/'
  sh(([[
    cp -r %s/rocks/%s %s/source && cd %s/source &&
    luarocks lint %s-*.rockspec &&
    luarocks make --no-doc --deps-mode=none --tree %s/.rocks
  ]]):format(c.root, name, folder, folder, name, folder))
  return folder
end

describe('rock', function()
  after_each(app.stop_all)

  it('folders are all here', function()
    for name in lfs.dir(c.root .. '/rocks') do
      assert.is_truthy(name:sub(1, 1) == '.' or ROCKS[name], name .. ' is not in this spec')
    end
  end)

  for name, plugin in pairs(ROCKS) do
    it(name .. ' is installed, found, and passes its specs', function()
      local folder = install(name)
      local listed = sh(('%s plugins %s/app.lua'):format(binary(), folder))
      local found = ('%s +%s +(%%S+)'):format(plugin[1], plugin[2])
      assert.matches(folder .. '/.rocks/share/lua/5.1/', listed:match(found), 1, true)
      -- What was installed, not the sources.
      sh(
        ('cd %s/source && rm -r lua && '):format(folder)
          .. ('LUA_PATH="%s/.rocks/share/lua/5.1/?.lua;;" %s test'):format(folder, binary())
      )
    end)
  end

  it('beside the binary is found by every script', function()
    local folder = app.script('', 'none'):match '^(.*)/'
    local build = c.build:sub(1, 1) == '/' and c.build or lfs.currentdir() .. '/' .. c.build
    sh(('cmake --install %s --prefix %s/usr >/dev/null'):format(build, folder))
    sh(
      ('cp -r %s/rocks/perilune-audit %s/source && cd %s/source && '):format(c.root, folder, folder)
        .. 'luarocks make --no-doc --deps-mode=none --tree ../usr'
    )
    local listed = sh(folder .. '/usr/bin/perilune plugins')
    assert.matches('filter +audit +%S+/usr/share/lua/5%.1/', listed)
  end)

  it('perilune-redis brings a provider and a consumer together', function()
    local folder = install 'perilune-redis'
    local socket = folder .. '/redis.sock'
    local redis = child.start {
      'redis-server',
      '--port',
      '0',
      '--unixsocket',
      socket,
      '--save',
      '',
    }
    finally(function()
      redis:stop()
    end)
    redis:wait_line 'ready to accept connections'
    local file = assert(io.open(folder .. '/app.lua', 'w'))
    file:write(([[
      local perilune = require 'perilune'
      local registry = 'redis://%s?ttl=2000'
      perilune.export {
        interface = 'demo.Greeter',
        registry = registry,
        service = { hello = function(_, name) return 'hello ' .. name end },
      }
      perilune.listen 'tcp://127.0.0.1:0'
      local greeter = perilune.refer { interface = 'demo.Greeter', registry = registry }
      perilune.main(function() print(perilune.check(greeter:hello 'moon')) end)
    ]]):format(socket))
    file:close()
    local process = child.start { child.binary(), 'run', '--workers', '2', folder .. '/app.lua' }
    finally(function()
      process:stop()
      redis:stop()
    end)
    process:wait_line 'hello moon'
    process:kill 'TERM'
    assert.same({ code = 0 }, process:wait())
    local left = child.run { 'redis-cli', '-s', socket, 'ZCARD', 'perilune:demo.Greeter:' }
    assert.matches('^0', left.output)
  end)
end)
