-- SPDX-License-Identifier: MIT
require 'spec.support.c'
local fake = require 'spec.support.fake_core'
local folders = require 'spec.support.folders'
local greeters = require 'spec.support.greeters'
local lfs = require 'lfs'

local PROD, url, addresses = greeters.PROD, greeters.url, greeters.addresses

teardown(folders.remove_all)

describe('cluster/registry file', function()
  local core, plugin, path
  before_each(function()
    core = fake.install()
    plugin = require 'perilune.plugin'
    path = folders.new()
  end)

  local function open(folder)
    local record = assert(plugin.find('registry', 'file'))
    local urls = require 'perilune.cluster.url'
    return plugin.instantiate(
      record,
      {},
      { url = assert(urls.parse('file://' .. (folder or path))) }
    )
  end

  local function files()
    local list = {}
    for name in lfs.dir(path) do
      if name:match '%.json$' then
        list[#list + 1] = name
      end
    end
    return list
  end

  -- A process that touches its files as time passes: the fake clock moves theirs, too.
  local touched
  local function age(seconds)
    for _, name in ipairs(files()) do
      touched = os.time() - seconds
      lfs.touch(path .. '/' .. name, touched, touched)
    end
  end

  it('keeps folder and files to their owner', function()
    local registry = assert(open())
    assert.is_true(registry:register(url(1)))
    assert.equal('rwx------', lfs.attributes(path, 'permissions'))
    assert.equal('rw-------', lfs.attributes(path .. '/' .. files()[1], 'permissions'))
    registry:close()
    assert.equal(0, #files())
  end)

  it('refuses a folder that is open to others and says what to do', function()
    lfs.mkdir(path)
    os.execute(("chmod 755 '%s'"):format(path))
    local registry, message = open()
    assert.is_nil(registry)
    assert.truthy(tostring(message):find('chmod 700', 1, true))
    registry, message = open '/nowhere/at/all'
    assert.is_nil(registry)
    assert.truthy(tostring(message):find('cannot make the folder', 1, true))
  end)

  it('takes who is not touched for three seconds off the list, and back when touched', function()
    local provider, consumer = assert(open()), assert(open())
    provider:register(url(1))
    local seen = {}
    consumer:subscribe(PROD, function(snapshot)
      seen[#seen + 1] = addresses(snapshot)
    end)
    core.pass(100)
    assert.same({ '1' }, seen)
    provider.closed = true -- as good as killed: it touches no more
    core.pass(1)
    age(2)
    core.pass(2500)
    assert.same({ '1' }, seen)
    core.pass(3000)
    assert.same({ '1', '' }, seen)
    age(0)
    core.pass(1100)
    assert.same({ '1', '', '1' }, seen)
    consumer:close()
    core.pass(5000)
  end)

  it('ignores what a dead process left behind, and removes it in the end', function()
    local provider = assert(open())
    provider:register(url(1))
    provider.closed = true
    age(60)
    local consumer, seen = assert(open()), {}
    consumer:subscribe(PROD, function(snapshot)
      seen[#seen + 1] = addresses(snapshot)
    end)
    core.pass(2000)
    assert.same({ '' }, seen)
    core.pass(70000)
    assert.equal(0, #files())
    consumer:close()
    core.pass(5000)
  end)

  it('touches its files every second and writes them again when they are lost', function()
    local provider = assert(open())
    provider:register(url(1))
    age(100)
    core.pass(1100)
    assert.is_true(lfs.attributes(path .. '/' .. files()[1], 'modification') > os.time() - 50)
    os.remove(path .. '/' .. files()[1])
    core.pass(1100)
    assert.equal(1, #files())
    provider:close()
    core.pass(2000)
  end)

  it('looks at once when the folder changes', function()
    local provider, consumer = assert(open()), assert(open())
    local seen = {}
    consumer:subscribe(PROD, function(snapshot)
      seen[#seen + 1] = addresses(snapshot)
    end)
    core.pass(100)
    provider:register(url(1))
    core.watching 'x'
    core.pass(30)
    assert.same({ '', '1' }, seen)
    consumer:close()
    provider:close()
    core.pass(5000)
  end)

  it('tells when its folder has gone, and when it is back', function()
    local heard = {}
    require('perilune.events').on('registry.*', function(event)
      if event.name ~= 'registry.changed' then
        table.insert(heard, event.name)
      end
    end)
    require('perilune.cluster.registry').subscribe('file://' .. path, PROD, function() end)
    core.pass(1500)
    os.rename(path, path .. '.away')
    core.pass(1500)
    os.rename(path .. '.away', path)
    core.pass(1500)
    assert.same({ 'registry.up', 'registry.down', 'registry.up' }, heard)
  end)

  it('is not confused by files that are none of ours', function()
    local consumer = assert(open())
    for name, text in pairs {
      ['garbage.json'] = '{{{',
      ['number.json'] = '7',
      ['nourl.json'] = '{"url": 7}',
      ['badurl.json'] = '{"url": "nope"}',
      ['big.json'] = ('x'):rep(100000),
      ['notes.txt'] = 'hello',
    } do
      local file = assert(io.open(path .. '/' .. name, 'w'))
      file:write(text)
      file:close()
    end
    lfs.link('/etc/passwd', path .. '/link.json', true)
    lfs.mkdir(path .. '/dir.json')
    local seen = {}
    consumer:subscribe(PROD, function(snapshot)
      seen[#seen + 1] = addresses(snapshot)
    end)
    core.pass(100)
    assert.same({ '' }, seen)
    lfs.rmdir(path .. '/dir.json')
    consumer:close()
    core.pass(5000)
  end)
end)
