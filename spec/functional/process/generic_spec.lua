-- SPDX-License-Identifier: MIT
-- Generic calls of JoyRPC consumers that have more arguments than the handler takes.
local app = require 'spec.support.app'
local peer = require 'spec.support.peer'

local PROVIDER = [[
perilune.filter('look', function(ctx, call, next)
  seen = call.args.n .. ' ' .. tostring(call.args[1]) .. ' ' .. tostring(call.args[3])
  return next(ctx, call)
end)
local service = {
  one = function(ctx, text) return text end,
  all = function(ctx, ...) return table.concat({ ... }, ' ') end,
  seen = function() return seen end,
}
for alias, filters in pairs { plain = {}, filtered = { 'look' } } do
  perilune.export { interface = 'demo.Odd', alias = alias, service = service, filters = filters }
end
perilune.listen 'tcp://127.0.0.1:0'
]]

local GENERIC = '{"className":"demo.Odd","alias":"%s","methodName":"%s","args":["%s",'
  .. '["java.lang.String","java.lang.String","java.lang.String"],["a","b","c"]],'
  .. '"attachments":{"generic":true}}'

describe('a generic call', function()
  local it_

  before_each(function()
    local server = app.serve(PROVIDER, { args = { '--workers', '1' } })
    it_ = peer.connect(tonumber(server.url:match ':(%d+)$'))
  end)
  after_each(function()
    it_:close()
    app.stop_all()
  end)

  local function ask(alias, method)
    it_:send(peer.frame {
      type = peer.REQUEST,
      session = 0,
      body = GENERIC:format(alias, method, method),
    })
    return (select(3, it_:reply()))
  end

  for _, alias in ipairs { 'plain', 'filtered' } do
    it('hands over the arguments in its list, ' .. alias, function()
      assert.matches('"response":"a"', ask(alias, 'one'))
      assert.matches('"response":"a b c"', ask(alias, 'all'))
    end)
  end

  it('shows them to filters', function()
    ask('filtered', 'one')
    assert.matches('"response":"3 a c"', ask('plain', 'seen'))
  end)
end)
