-- SPDX-License-Identifier: MIT
-- Scripts that keep what belongs to a call: thousands of calls through a few slots, each of which tries
-- what earlier ones left behind. A use after the end raises and says so; it never shows another call.
local app = require 'spec.support.app'
local cjson = require 'cjson'

-- Every handler keeps its handles, and uses those of calls that are over. `secret` is the caller's own.
local PROVIDER = [[
local kept, at = {}, 0
local tried, raised, leaked, wrong = 0, 0, 0, {}

local function try(what, use)
  tried = tried + 1
  local ok, result = pcall(use)
  if ok then
    leaked = leaked + 1
    wrong[#wrong < 5 and #wrong + 1 or 5] = what .. ' gave ' .. tostring(result)
  elseif tostring(result):find('used after keep.Service.', 1, true) then
    raised = raised + 1
  else
    wrong[#wrong < 5 and #wrong + 1 or 5] = what .. ' raised ' .. tostring(result)
  end
end

local function probe(entry)
  local ctx, call, body = entry.ctx, entry.call, entry.body
  try('ctx.peer', function() return ctx.peer end)
  try('ctx.call', function() return ctx.call end)
  try('ctx.state', function() return ctx.state.secret end)
  try('ctx.reply', function() ctx.reply.secret = 'x' end)
  try('ctx:left', function() return ctx:left() end)
  try('ctx:on_end', function() return ctx:on_end(print) end)
  try('call.method', function() return call.method end)
  try('call.attachments', function() return call.attachments.secret end)
  if body then
    try('body:string', function() return body:string() end)
    try('body:len', function() return body:len() end)
    try('body:slice', function() return body:slice(1, 3):string() end)
  end
end

local function keep(ctx, body)
  ctx.state.secret = ctx.call.attachments.secret
  at = at % 64 + 1
  local entry = { ctx = ctx, call = ctx.call, body = body }
  ctx:on_end(function() entry.over = true end)
  local old = kept[at]
  kept[at] = entry
  if old and old.over then
    probe(old)
  end
end

local function mine(ctx, secret)
  return ctx.state.secret == secret and ctx.call.attachments.secret == secret
end

perilune.export { interface = 'keep.Service', alias = 'args', service = {
  now = function(ctx, secret)
    keep(ctx)
    return mine(ctx, secret) and secret
  end,
  later = function(ctx, secret)
    keep(ctx)
    perilune.sleep(perilune.random(3) - 1)
    return mine(ctx, secret) and secret
  end,
  fails = function(ctx, secret)
    keep(ctx)
    error(perilune.error('NOT_FOUND', secret))
  end,
  behind = function(ctx, secret)
    keep(ctx)
    local over = false
    ctx:on_end(function() over = true end)
    perilune.spawn(function()
      for _ = 1, 3 do perilune.sleep(1) end
      if over then try('spawned', function() return ctx.state.secret end) end
    end)
    return mine(ctx, secret) and secret
  end,
  told = function()
    return { tried = tried, raised = raised, leaked = leaked, wrong = wrong }
  end,
} }
perilune.export { interface = 'keep.Service', alias = 'body', body = true, service = {
  back = function(ctx, body)
    keep(ctx, body)
    return body
  end,
  late = function(ctx, body)
    keep(ctx, body)
    perilune.sleep(perilune.random(3) - 1)
    return body
  end,
} }
perilune.listen 'tcp://127.0.0.1:0'
]]

local CONSUMER = [[
local CALLS, CALLERS = 6000, 24
local args = perilune.refer { interface = 'keep.Service', alias = 'args', url = %q }
local kept, wrong, failed, leaked, tried = {}, 0, {}, 0, 0
local body = perilune.refer { interface = 'keep.Service', alias = 'body', url = %q, filters = {
  function(ctx, call, next)
    local old = #kept > 48 and table.remove(kept, 1)
    if old and old.over then
      tried = tried + 1
      local ok = pcall(function() return old.call.args end)
      ok = pcall(function() return old.ctx:left() end) or ok
      leaked = leaked + (ok and 1 or 0)
    end
    local entry = { ctx = ctx, call = call }
    kept[#kept + 1] = entry
    ctx:on_end(function() entry.over = true end)
    return next(ctx, call)
  end,
} }

local function one(id)
  local secret = 'secret ' .. id .. ' ' .. ('x'):rep(id %% 50)
  local with = { attachments = { secret = secret }, timeout = 5000 }
  local kind = id %% 6
  local result, err
  if kind < 4 then
    local method = ({ [0] = 'now', 'later', 'fails', 'behind' })[kind]
    result, err = perilune.call(perilune.with(args, with), method, secret)
  else
    result, err = perilune.call(perilune.with(body, with), kind == 4 and 'back' or 'late', secret)
    -- The body is the list of arguments as it came.
    result = type(result) == 'table' and result[1] or result
  end
  if kind == 2 then
    if not err or err.code ~= 'NOT_FOUND' or err.message ~= secret then wrong = wrong + 1 end
  elseif err then
    failed[#failed + 1] = tostring(err)
  elseif result ~= secret then
    wrong = wrong + 1
  end
end

perilune.main(function()
  local next_id, live = 0, CALLERS
  for _ = 1, CALLERS do
    perilune.spawn(function()
      while next_id < CALLS do
        next_id = next_id + 1
        one(next_id)
      end
      live = live - 1
    end)
  end
  while live > 0 do perilune.sleep(5) end
  print('RESULT ' .. require('perilune.core').encode {
    wrong = wrong, failed = #failed, why = failed[1], leaked = leaked, tried = tried,
    server = perilune.check(args:told()) })
end)
]]

describe('handles kept after the call', function()
  after_each(app.stop_all)

  it('raise and never show another call', function()
    local server = app.serve(PROVIDER, { args = { '--workers', '1' } })
    local consumer = app.start(CONSUMER:format(server.url, server.url))
    assert.same({ code = 0 }, consumer:wait(60))
    local result = cjson.decode(consumer.output:match 'RESULT ([^\n]+)')
    assert.equal(0, result.failed, result.why)
    assert.equal(0, result.wrong)
    assert.equal(0, result.leaked)
    assert.is_true(result.tried > 100, 'tried only ' .. result.tried)
    assert.same({}, result.server.wrong)
    assert.equal(0, result.server.leaked)
    assert.equal(result.server.tried, result.server.raised)
    assert.is_true(result.server.tried > 10000, 'tried only ' .. result.server.tried)
  end)
end)
