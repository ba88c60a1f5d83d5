-- SPDX-License-Identifier: MIT
-- More calls than the server can do: each is answered once, what is refused was not run, and says so,
-- and afterwards everything is as before. How much gets through is for the bench to say.
local app = require 'spec.support.app'
local child = require 'spec.support.child'
local cjson = require 'cjson'
local peer = require 'spec.support.peer'

local CALLS = 2000
local OVERLOADED, TIMEOUT = 17, 4
local MESSAGE, NOT_RUN = 2, 4

local PROVIDER = [[
local run = 0
perilune.export { interface = 'busy.Service', alias = 'prod', service = {
  burn = function(_, value)
    run = run + 1
    local till = perilune.hrtime() + 0.5
    while perilune.hrtime() < till do end
    return value
  end,
  count = function() return run end,
} }
perilune.listen 'tcp://127.0.0.1:0'
]]

describe('overload', function()
  after_each(app.stop_all)

  it('refuses what it cannot do, and nothing else is lost', function()
    local server = app.serve(PROVIDER, { args = { '--workers', '1' } })
    local it = peer.session(tonumber(server.url:match ':(%d+)$'), 'busy.Service', 'prod')
    local frames = {}
    for id = 1, CALLS do
      frames[id] = peer.request('burn', '\145\42', { id = id, timeout = 400 })
    end
    it:send(table.concat(frames))
    local seen, done, refused = {}, 0, 0
    for _ = 1, CALLS do
      local type, id, body = it:reply()
      assert.equal(peer.REPLY, type)
      assert.is_nil(seen[id])
      seen[id] = true
      local flags, status = body:byte(3, 4)
      if status == 0 then
        done = done + 1
        assert.equal('\42', body:sub(-1))
      else
        refused = refused + 1
        assert.is_true(status == OVERLOADED or status == TIMEOUT)
        assert.equal(MESSAGE + NOT_RUN, flags)
      end
    end
    assert.is_true(done > 0 and refused > 0, ('%d done, %d refused'):format(done, refused))
    it:close()
    -- Run was exactly what was answered.
    local result = app.call(server, 'busy.Service.count', '[]', '--alias', 'prod')
    assert.equal(done .. '\n', result.output)
    for _ = 1, 5 do
      assert.equal(0, app.call(server, 'busy.Service.burn', '[1]', '--alias', 'prod').code)
    end
    result = child.read { child.binary(), 'status', server.url, '--json' }
    local metrics = cjson.decode(result.output).metrics
    assert.equal(refused, metrics.perilune_calls_refused_age + metrics.perilune_calls_expired)
  end)
end)
