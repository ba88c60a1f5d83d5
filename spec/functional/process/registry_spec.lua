-- SPDX-License-Identifier: MIT
-- A registry that a script wrote, and secrets that nobody may see of it.
local app = require 'spec.support.app'

local APP = [[
perilune.registry('mine', {
  schema = { ['.password'] = { type = 'string' }, fail = { type = 'string' }, a = { type = 'string' } },
  new = function(conf)
    local list, tell = {}, {}
    local function changed()
      local entries = {}
      for i, url in ipairs(list) do
        local address, version = url:match '^joyrpc://([^/]+)/.*version=(%w+)'
        entries[i] = { url = 'joyrpc://' .. address, address = address, weight = 100,
          meta = { version = version, seen = tostring(url:find('hush', 1, true)) } }
      end
      for _, fn in ipairs(tell) do fn { entries = entries } end
    end
    return {
      register = function(_, url)
        if conf.fail then return nil, 'out of order' end
        list[#list + 1] = url
        changed()
        return true
      end,
      subscribe = function(_, _, on_change)
        tell[#tell + 1] = on_change
        return 1
      end,
      close = function() end,
    }
  end,
})
perilune.export { interface = 'demo.D', registry = 'mine://x?.password=hush',
  meta = { version = 'v2', ['.secret'] = 'hush' }, token = 'hush', service = { echo = function(_, v) return v end } }
perilune.export { interface = 'demo.E', registry = 'mine://x?.password=hush&fail=yes',
  service = { echo = function(_, v) return v end } }
perilune.listen 'tcp://127.0.0.1:0'
perilune.selector('look', function(_, _, nodes)
  perilune.log.info('node', { version = nodes[1].meta.version, seen = nodes[1].meta.seen,
    attachments = { ['.token'] = 'hush', color = 'red' } })
  return nodes
end)
local d = perilune.refer { interface = 'demo.D', registry = 'mine://x?.password=hush', inproc = false,
  token = 'hush', selectors = { 'look' } }
local nobody = perilune.refer { interface = 'demo.Nobody', registry = 'mine://x?.password=hush&a=b',
  timeout = 100 }
perilune.main(function()
  print('answer', perilune.check(d:echo 'moon'))
  print(nobody:echo(1))
end)
]]

describe('a registry that cannot be used', function()
  teardown(app.stop_all)

  it('is the reason that calls tell', function()
    local folder = app.script('', 'none'):match '^(.*)/'
    assert.equal(0, os.execute('chmod 755 ' .. folder))
    local process = app.start(([[
      local text = 'file://%s'
      local greeter = perilune.refer { interface = 'demo.G', registry = text, timeout = 500 }
      perilune.main(function() print(greeter:hello()) end)
    ]]):format(folder))
    process:wait()
    local told = 'NO_NODE: file://%S+ has not answered about demo.G yet; '
      .. "registry 'file': the folder '%S+' is open to others %(rwxr%-xr%-x%); run: chmod 700 "
    assert.matches(told, process.output)
  end)
end)

describe('a registry written in Lua', function()
  teardown(app.stop_all)

  it('lists and finds providers and shows no secrets', function()
    local server = app.serve(APP)
    server:wait_line 'NO_NODE'
    server:kill 'TERM'
    server:wait()
    local output = server.output
    assert.truthy(output:find('answer\tmoon', 1, true), output)
    assert.truthy(output:find('"version":"v2"', 1, true), output)
    assert.truthy(output:find('"seen":"nil"', 1, true), output)
    assert.truthy(output:find('"color":"red"', 1, true), output)
    assert.truthy(output:find('out of order', 1, true), output)
    assert.is_nil(output:find('hush', 1, true), output)
  end)
end)
