-- SPDX-License-Identifier: MIT
-- What filters do over all workers of a process, and before it serves.
local app = require 'spec.support.app'
local child = require 'spec.support.child'
local eventually = require 'spec.support.eventually'

local function tail(port)
  return ("\nperilune.listen 'tcp://127.0.0.1:%d'"):format(port or 0)
end

describe('filters over a process', function()
  after_each(app.stop_all)

  it('a limit of 10 with four workers admits 10', function()
    local server = app.serve([[
perilune.export {
  interface = 'demo.F',
  service = { who = function() return require('perilune.core').worker end },
  limiter = { rate = 10, period = 3600000 },
}]] .. tail(), { args = { '--workers', '4' } })
    local script = app.script(([[
local perilune = require 'perilune'
local proxies = {}
for i = 1, 8 do
  proxies[i] = perilune.refer {
    interface = 'demo.F', url = %q, auth = nil, attachments = { n = i }, retries = 0,
  }
end
perilune.main(function()
  local passed, limited = 0, 0
  for i = 1, 40 do
    local result, err = proxies[i %% 8 + 1]:who()
    if err and err.code == 'LIMITED' then limited = limited + 1 end
    if not err then passed = passed + 1 end
  end
  print(passed .. ' ' .. limited)
end)]]):format(server.url))
    -- Several clients, so that several workers are asked at once.
    local clients, passed, limited = {}, 0, 0
    for i = 1, 6 do
      clients[i] = child.start { child.binary(), 'run', '--workers', '1', script }
    end
    for _, client in ipairs(clients) do
      client:wait()
      local p, l = client.output:match '(%d+) (%d+)'
      passed, limited = passed + tonumber(p), limited + tonumber(l)
    end
    assert.equal(10, passed)
    assert.equal(230, limited)
  end)

  it('a signature that passed one worker passes no other', function()
    local server = app.serve([[
local secret = 'sixteen bytes or more'
perilune.export {
  interface = 'demo.F',
  service = { f = function() return 'in' end },
  signature = { keys = { shop = secret }, body = false },
}]] .. tail(), { args = { '--workers', '2' } })
    local script = app.script(([[
local perilune = require 'perilune'
local kept
local proxy = perilune.refer {
  interface = 'demo.F', url = %q,
  signature = { key = 'shop', secret = 'sixteen bytes or more', body = false },
  attempt_filters = { function(ctx, call, next)
    kept = call.attachments['.signature']
    return next(ctx, call)
  end },
}
perilune.main(function()
  print((proxy:f()), kept)
end)]]):format(server.url))
    local out = child.run({ child.binary(), 'run', '--workers', '1', script }).output
    local result, kept = out:match '(%S+)%s+(shop:%S+)'
    assert.equal('in', result)
    for _ = 1, 4 do -- each its own connection, so that both workers see it
      local replay = app.call(server, 'demo.F.f', '[]', '--attach', '.signature=' .. kept)
      assert.truthy(replay.output:find('the signature was used before', 1, true), replay.output)
    end
  end)
end)

describe('warm-up', function()
  after_each(app.stop_all)

  it('runs in each worker before the service is there', function()
    local server = app.serve([[
local calls = 0
perilune.warmup('mine', function(service)
  perilune.sleep(1)
  service.handlers.hello({ warm = true })
end)
perilune.export {
  interface = 'demo.F',
  service = { hello = function(ctx) calls = calls + 1 return calls end },
  warmup = { 'mine', { 'repeat_calls', times = 120, calls = { hello = {} } } },
}]] .. tail(), { args = { '--workers', '2' } })
    for _ = 1, 2 do
      assert.is_true(tonumber(app.call(server, 'demo.F.hello').output:match '%d+') >= 122)
    end
  end)

  local function refused(export, ...)
    local process = app.start(export .. tail())
    eventually(function()
      return not process:running()
    end)
    process:wait()
    for _, part in ipairs { ... } do
      assert.truthy(process.output:find(part, 1, true), process.output)
    end
  end

  it('that fails or does not end keeps the process from starting', function()
    refused(
      [[perilune.export { interface = 'demo.F', service = { f = print },
        warmup = function() error 'no database' end }]],
      "demo.F': warm-up 'inline'",
      'no database'
    )
    refused(
      [[perilune.export { interface = 'demo.F', service = { f = print }, warmup_timeout = 20,
        warmup = function() perilune.sleep(60000) end }]],
      'did not end in time (of 20 ms)'
    )
    refused(
      [[perilune.export { interface = 'demo.F', service = { f = print },
        warmup = { 'repeat_calls', calls = { g = {} } } }]],
      "calls names 'g', which the service does not have"
    )
    refused(
      [[perilune.export { interface = 'demo.F', service = { f = print }, warmup = 'repeat' }]],
      "warmup 'repeat' unknown"
    )
  end)

  it('that is not required only warns', function()
    local server = app.serve(
      [[perilune.export { interface = 'demo.F', service = { f = function() return 'up' end },
        warmup_required = false, warmup = function() error 'no database' end }]] .. tail()
    )
    assert.truthy(app.call(server, 'demo.F.f').output:find 'up')
    server:wait_line 'no database'
  end)
end)
