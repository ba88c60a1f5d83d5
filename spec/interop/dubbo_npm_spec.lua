-- SPDX-License-Identifier: MIT
-- A Dubbo consumer in Node, of the npm package dubbo-remoting, which is installed outside the tree.
local app = require 'spec.support.app'
local child = require 'spec.support.child'
local matrix = require 'spec.interop.matrix'
local probe = require 'spec.interop.probe'

local PACKAGE = 'dubbo-remoting'
local VERSION = '2.1.4'
local CACHE = (os.getenv 'XDG_CACHE_HOME' or os.getenv 'HOME' .. '/.cache') .. '/perilune/interop'
local MODULES = CACHE .. '/node_modules'
local INSTALL_LIMIT, LIMIT = 120, 60 -- seconds

local function missing()
  if os.execute 'command -v node >/dev/null && command -v npm >/dev/null' ~= 0 then
    return 'node and npm are wanted'
  end
  local installed = io.open(('%s/%s/package.json'):format(MODULES, PACKAGE))
  if installed then
    installed:close()
    return nil
  end
  os.execute(('mkdir -p "%s"'):format(CACHE))
  local what = PACKAGE .. '@' .. VERSION
  local npm = child.run(
    { 'npm', 'install', '--silent', '--no-audit', '--no-fund', '--prefix', CACHE, what },
    { limit = INSTALL_LIMIT }
  )
  return npm.code ~= 0 and ('npm cannot install %s (no network?)'):format(what) or nil
end

describe('Dubbo in Node', function()
  local why = missing()
  if why then
    pending(why)
    return
  end

  after_each(app.stop_all)

  it('calls us, every case', function()
    local seen = matrix.new('dubbo-npm', ('Dubbo, npm package %s %s'):format(PACKAGE, VERSION))
    local server = app.serve(probe.server())
    local port = server.url:match ':(%d+)'
    local node = child.run(
      { 'node', 'spec/interop/dubbo.js', '127.0.0.1', port },
      { env = { NODE_PATH = MODULES }, limit = LIMIT }
    )
    local failed, count = {}, 0
    for line in node.output:gmatch '[^\n]+' do
      local name, wrong = line:match '^not ok ([^:]+): (.*)$'
      name = name or line:match '^ok (.+)$'
      if name then
        seen:add('Node to Lua', name, wrong or true)
        failed[#failed + 1], count = wrong and line or nil, count + 1
      end
    end
    seen:write(1)
    assert.same({}, failed)
    assert.equal(13, count, node.output)
  end)
end)
