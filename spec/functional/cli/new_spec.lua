-- SPDX-License-Identifier: MIT
-- What `perilune new` writes works as it is.
local app = require 'spec.support.app'
local child = require 'spec.support.child'
local lfs = require 'lfs'

local folder

local function new(...)
  return child.run { child.binary(), 'new', '--dir', folder, ... }
end

local function binary()
  local path = child.binary()
  return path:sub(1, 1) == '/' and path or lfs.currentdir() .. '/' .. path
end

local function run_in(place, command)
  return child.run { 'sh', '-c', ('cd %s && %s'):format(place, command) }
end

describe('perilune new', function()
  before_each(function()
    folder = app.script('', 'none'):match '^(.*)/'
  end)
  after_each(app.stop_all)

  it('writes plugins whose specs pass and which luacheck likes', function()
    for _, kind in ipairs { 'filter', 'loadbalance', 'selector', 'router', 'registry' } do
      assert.equal(0, new(kind, 'my_' .. kind).code)
    end
    local result = run_in(folder, binary() .. ' test')
    assert.equal(0, result.code, result.output)
    assert.matches('10 successes', result.output)
    result = child.run {
      'sh',
      '-c',
      'command -v luacheck >/dev/null || exit 0; luacheck -q '
        .. '--config .luacheckrc --std luajit+busted '
        .. folder,
    }
    assert.equal(0, result.code, result.output)
  end)

  it('writes a service that can be tested and checked', function()
    assert.equal(0, new('service', 'night_sky').code)
    local result = run_in(folder .. '/night_sky', binary() .. ' test')
    assert.equal(0, result.code, result.output)
    result = child.run { child.binary(), 'check', folder .. '/night_sky/main.lua' }
    assert.equal(0, result.code, result.output)
    assert.matches('demo.NightSky.hello', result.output, 1, true)
  end)

  it('writes a rock that luarocks takes, and perilune then finds', function()
    assert.equal(0, new('rock', 'meter', '--point', 'loadbalance').code)
    assert.equal(0, new('service', 'app').code)
    local rock = folder .. '/perilune-meter'
    local result = run_in(rock, binary() .. ' test')
    assert.equal(0, result.code, result.output)
    result = run_in(
      rock,
      'luarocks lint *.rockspec && luarocks make --no-doc --deps-mode=none --tree ../app/.rocks'
    )
    assert.equal(0, result.code, result.output)
    result = child.run { child.binary(), 'plugins', folder .. '/app/main.lua' }
    assert.matches('loadbalance +meter +%S+/app/%.rocks/share/lua', result.output)
  end)

  it('overwrites nothing', function()
    assert.equal(0, new('filter', 'once').code)
    local file = assert(io.open(folder .. '/perilune/entry/filter/once.lua', 'w'))
    file:write '-- mine'
    file:close()
    os.remove(folder .. '/spec/once_spec.lua')
    local result = new('filter', 'once')
    assert.equal(1, result.code)
    assert.matches("once.lua' is there already; nothing was written", result.output, 1, true)
    assert.is_nil(lfs.attributes(folder .. '/spec/once_spec.lua'))
  end)

  it('refuses wrong names and kinds', function()
    for name, why in pairs {
      ['../up'] = 'is no name',
      ['Big'] = 'is no name',
      ['end'] = 'is a word of Lua',
    } do
      local result = new('filter', name)
      assert.equal(2, result.code)
      assert.matches(why, result.output, 1, true)
    end
    assert.matches("did you mean 'filter'", new('fliter', 'x').output, 1, true)
  end)
end)

describe('what is generated from the command line', function()
  it('is a completion script each shell accepts', function()
    for _, shell in ipairs { 'bash', 'zsh', 'fish' } do
      local result = child.run { child.binary(), 'completion', shell }
      assert.equal(0, result.code, result.output)
      assert.matches('plugins', result.output)
    end
    local result = child.run {
      'bash',
      '-c',
      ('source <(%s completion bash); COMP_WORDS=(perilune ru); COMP_CWORD=1; _perilune; '):format(
        child.binary()
      ) .. 'echo "${COMPREPLY[@]}"',
    }
    assert.equal('run\n', result.output)
  end)

  it('is a manual page with every command and flag', function()
    local result = child.run { child.binary(), 'manual' }
    assert.equal(0, result.code)
    for _, part in ipairs { '.SS run', '.SS manual', '\\fB\\-\\-queue\\-age\\fR', 'SIGHUP' } do
      assert.matches(part, result.output, 1, true)
    end
    assert.is_nil(result.output:match "\n[.'][^SPTnfBH]")
  end)
end)
