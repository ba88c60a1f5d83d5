-- SPDX-License-Identifier: MIT
-- The Debian package of the release build: what is in it, and that it works from any root.
local app = require 'spec.support.app'
local c = require 'spec.support.c'
local child = require 'spec.support.child'
local deb = require 'spec.packages.deb'
local lfs = require 'lfs'

local folder, usr

local sh = deb.sh

local function has(path)
  assert.is_truthy(lfs.attributes(usr .. path), usr .. path .. ' is missing')
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read '*a'
  file:close()
  return text
end

local function says_hello(binary)
  local path = app.script [[
    local perilune = require 'perilune'
    perilune.export { interface = 'demo.Greeter', registry = 'memory://x', service = {
      hello = function(_, name) return 'hello ' .. name end } }
    perilune.listen 'tcp://127.0.0.1:0'
    local greeter = perilune.refer { interface = 'demo.Greeter', registry = 'memory://x' }
    perilune.main(function() print(perilune.check(greeter:hello 'moon')) end)
  ]]
  local process = child.start { binary, 'run', '--workers', '1', path }
  -- Not by `finally`, of which a spec has one: some say hello twice.
  local ok, message = pcall(process.wait_line, process, 'hello moon')
  process:stop()
  assert.is_true(ok, message)
end

describe('the Debian package', function()
  setup(function()
    folder = deb.unpack()
    usr = folder .. '/root/usr'
  end)
  teardown(app.stop_all)

  it('has all parts', function()
    for _, path in ipairs {
      '/bin/perilune',
      '/include/perilune.h',
      '/lib/libperilune.so',
      '/lib/cmake/perilune/perilune-config.cmake',
      '/lib/pkgconfig/perilune.pc',
      '/lib/systemd/system/perilune@.service',
      '/lib/systemd/system/perilune@.socket',
      '/share/perilune/lua/perilune/init.lua',
      '/share/perilune/lua/perilune/ffi_cdef.lua',
      '/share/man/man1/perilune.1.gz',
      '/share/bash-completion/completions/perilune',
      '/share/zsh/vendor-completions/_perilune',
      '/share/fish/vendor_completions.d/perilune.fish',
      '/share/doc/perilune/copyright',
    } do
      has(path)
    end
  end)

  it('asks for what scripts need', function()
    local depends = sh(('dpkg-deb -f %s/it.deb Depends'):format(folder))
    local group = read(c.root .. '/packages.txt'):match '%[run%]\n(.-)\n\n'
    for package in group:gmatch '[^\n]+' do
      assert.is_truthy(depends:find(package, 1, true), package .. ' is not in ' .. depends)
    end
    assert.matches('libuv1', depends)
  end)

  it('runs from any root, and after a move', function()
    says_hello(usr .. '/bin/perilune')
    sh(('mv %s %s/moved'):format(usr, folder))
    local ok, message = pcall(says_hello, folder .. '/moved/bin/perilune')
    sh(('mv %s/moved %s'):format(folder, usr))
    assert.is_true(ok, message)
  end)

  it('says so when a part of it is missing', function()
    sh(
      ('cp -r %s %s/broken && rm %s/broken/share/perilune/lua/perilune/entry/chain.lua'):format(
        usr,
        folder,
        folder
      )
    )
    local result = child.run { folder .. '/broken/bin/perilune', 'run', app.script '' }
    assert.equal(1, result.code)
    assert.matches("module 'perilune.entry.chain' not found", result.output)
  end)

  it('has a unit that systemd understands and the JIT survives', function()
    local unit = read(usr .. '/lib/systemd/system/perilune@.service')
    assert.matches('\nType=notify\n', unit, 1, true)
    assert.matches('\nExecReload=/bin/kill -HUP $MAINPID\n', unit, 1, true)
    assert.matches('\nSystemCallFilter=@system-service\n', unit, 1, true)
    assert.is_nil(unit:match '\nMemoryDenyWriteExecute=y')
    if os.execute 'command -v systemd-analyze >/dev/null' ~= 0 then
      pending 'no systemd-analyze here'
    end
    sh(([[
        cd %s && cp %s/lib/systemd/system/perilune@.service x@.service &&
        sed -i 's,/usr/bin/perilune,%s/bin/perilune,' x@.service &&
        systemd-analyze verify ./x@one.service 2>&1 | grep x@ | grep -v 'man perilune' && exit 1 || exit 0
      ]]):format(folder, usr, usr))
  end)

  it('lets other projects find header and library', function()
    local config = 'PKG_CONFIG_PATH=' .. usr .. '/lib/pkgconfig'
    sh(
      (
        '%s sh -c "cc -o %s/embed %s/examples/embed/embed.c -pthread -Wl,-rpath,%s/lib '
        .. '\\$(pkg-config --cflags --libs perilune)"'
      ):format(config, folder, c.root, usr)
    )
    local said = sh(('%s/embed %s/examples/embed/app.lua'):format(folder, c.root))
    assert.matches('ask(moon) = 0: hello moon', said, 1, true)
    local env = 'PERI_BIN=' .. usr .. '/bin/perilune '
    for example, line in pairs {
      ['c-plugin'] = '37000 bytes, and they begin: once upon a time',
      embed = 'greet(moon) = 0: good evening, moon',
    } do
      said = sh(env .. c.root .. '/examples/' .. example .. '/run ' .. usr)
      assert.matches(line, said, 1, true)
    end
  end)

  it('has a manual that man can show', function()
    local page = sh(('MANWIDTH=80 man -l %s/share/man/man1/perilune.1.gz | col -b'):format(usr))
    assert.matches('perilune %- RPC runtime', page)
    assert.matches('%-%-queue%-age', page)
  end)

  it('is one that lintian has no errors about', function()
    local said = sh(('lintian --allow-root --fail-on error %s/it.deb 2>&1'):format(folder))
    assert.is_nil(said:match '\nE:')
  end)
end)
