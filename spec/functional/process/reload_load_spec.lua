-- SPDX-License-Identifier: MIT
-- Reloading under load: nobody notices but those who look at the version.
local app = require 'spec.support.app'
local cjson = require 'cjson'

-- A consumer that calls, has the provider reloaded again and again, and counts.
local LOAD = [[
local core = require 'perilune.core'
local provider, path, rounds = %q, %q, %d
local service = perilune.refer { interface = 'demo.L', url = provider, retries = 0 }
local admin = perilune.refer { interface = 'perilune.Admin', url = provider, timeout = 20000 }
local connected = 0
perilune.on('connection.up', function() connected = connected + 1 end)

local function write(round)
  local file = assert(io.open(path))
  local text = file:read '*a'
  file:close()
  file = assert(io.open(path, 'w'))
  file:write((text:gsub('VERSION = %%d+', 'VERSION = ' .. round)))
  file:close()
end

perilune.main(function()
  local calls, failed, stop, live = 0, 0, false, 8
  perilune.check(perilune.ready(service, 5000))
  perilune.check(perilune.ready(admin, 5000))
  for i = 1, live do
    perilune.spawn(function()
      while not stop do
        local result, err = service:work(i)
        calls = calls + 1
        if err ~= nil or result ~= i then
          failed = failed + 1
          print('failed', result, err)
        end
      end
      live = live - 1
    end)
  end
  local function memory()
    local sum = 0
    for _ = 1, 8 do sum = math.max(sum, (perilune.check(service:memory()))) end
    return sum
  end
  local early
  for round = 1, rounds do
    write(round)
    local result, err = admin:reload()
    if err ~= nil then print('reload', err) end
    local version = perilune.check(service:version())
    if version ~= round then print('version', version, round) end
    if round == math.floor(rounds / 3) then early = memory() end
  end
  stop = true
  while live > 0 do perilune.sleep(2) end
  local late = memory()
  print(('calls %%d failed %%d connected %%d doubles %%d ticks %%d'):format(calls, failed, connected,
    perilune.check(service:get 'doubles'), perilune.check(service:get 'ticks')))
  print('memory', early, late, late < early * 1.25 and 'flat' or 'grows')
end)
]]

local PROVIDER = [[
local VERSION = 0
local ballast = {}
for i = 1, 20000 do ballast[i] = { i } end
local back = perilune.refer { interface = 'demo.Nothing', url = 'joyrpc://127.0.0.1:1' }
perilune.every(20, function(turn)
  local last = perilune.state 'turns'
  if last.turn and turn <= last.turn then perilune.shared.incr('doubles', 1) end
  last.turn = turn
  perilune.shared.incr('ticks', 1)
end)
perilune.export { interface = 'demo.L', service = {
  work = function(_, n) perilune.sleep(1) return n end,
  version = function() return VERSION end,
  get = function(_, name) return perilune.shared.get(name) or 0 end,
  memory = function() collectgarbage() collectgarbage() return collectgarbage 'count', #ballast end,
} }
perilune.listen 'tcp://127.0.0.1:0'
]]

describe('fifty reloads under load', function()
  after_each(app.stop_all)

  it('fail no call, keep every connection, tick once, and leave nothing behind', function()
    local server = app.serve(PROVIDER, { args = { '--workers', '3' } })
    local consumer = app.start(LOAD:format(server.url, server.path, 50))
    consumer:wait(60)
    local output = consumer.output
    assert.matches('failed 0 ', output)
    assert.matches('connected 1 ', output)
    assert.matches('doubles 0 ', output)
    assert.not_matches('ticks 0\n', output)
    assert.matches('flat', output)
    assert.is_nil(output:find('reload\t', 1, true), output)
    assert.is_nil(output:find('version\t', 1, true), output)
    local status = app.call(server, 'perilune.Admin.status')
    assert.equal(0, status.code, status.output)
    assert.equal(51, cjson.decode(status.output).generations[1].number)
  end)
end)
